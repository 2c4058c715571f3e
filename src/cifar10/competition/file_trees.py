"""Folders and zip files of anything, seen alike."""

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import cast

from cifar10.core.config import InputError
from cifar10.images.codec import FORMATS, MAX_ENCODED_BYTES

MAX_FILE_BYTES = 1 << 33  # ten times Kaggle's largest archive


class FolderTree:
    """The files below a folder, hidden ones left out, in sorted order."""

    def __init__(self, root: Path) -> None:
        self.root = root
        paths = (path for path in root.rglob("*") if path.is_file())
        self.names = sorted(n for n in (path.relative_to(root).as_posix() for path in paths) if not _is_hidden(n))

    @contextmanager
    def open(self, name: str) -> Iterator[io.BufferedIOBase]:
        with (self.root / name).open("rb") as file:
            yield file


class ZipTree:
    """The files inside a zip, hidden ones left out, a single folder around everything taken off, in sorted order."""

    def __init__(self, path: Path) -> None:
        try:
            self.zip = zipfile.ZipFile(path)
        except (FileNotFoundError, PermissionError):
            raise
        except Exception as error:  # on damage zipfile raises its own, and ValueError, OSError, struct's and others
            reason = " ".join(str(error).split())[:60]
            raise InputError(f"{path}: not a whole zip file ({reason}); fetch it again") from None
        self.path = path
        inside = [i.filename for i in self.zip.infolist() if not i.is_dir() and not _is_hidden(i.filename)]
        tops = {name.partition("/")[0] for name in inside}
        wrapped = len(tops) == 1 and tops.isdisjoint({"train", "test"}) and all("/" in name for name in inside)
        self.prefix = f"{tops.pop()}/" if wrapped else ""
        self.names = sorted(name.removeprefix(self.prefix) for name in inside)
        for first, second in pairwise(self.names):
            if first == second:
                raise InputError(f"{path}: {first[:60]} is there twice")

    @contextmanager
    def open(self, name: str) -> Iterator[io.BufferedIOBase]:
        num_bytes = self.zip.getinfo(self.prefix + name).file_size  # more than this is not read
        most = MAX_ENCODED_BYTES if is_image(name) else MAX_FILE_BYTES
        if num_bytes > most:
            raise InputError(f"{self.path}: {name} has {num_bytes:,} bytes; at most {most:,} are read")
        try:
            with self.zip.open(self.prefix + name) as file:
                yield cast(io.BufferedIOBase, file)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError) as error:
            raise InputError(f"{self.path}: {name}: damaged or encrypted ({error}); fetch it again") from None


# A folder or a zip file, seen alike: sorted `names` (relative, with `/`) and `open(name)`.
FileTree = FolderTree | ZipTree


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part in ("__MACOSX", "Thumbs.db") for part in name.split("/"))


def is_image(name: str) -> bool:
    """Whether a name ends like an image file that `images.decode_image` reads."""
    return name[name.rfind(".") :].lower() in FORMATS
