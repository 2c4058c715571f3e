"""Folders, zip files and tar archives of anything, seen alike: sorted names, and a way to open each.

A name is what stands below `data.path`, an archive counting as a folder: `train.zip/train/1.png`.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, cast

from cifar10.core.config import InputError
from cifar10.core.files import tell_disk_full
from cifar10.images.archives import is_hidden
from cifar10.images.codec import FORMATS, MAX_ENCODED_BYTES

MAX_FILE_BYTES = 1 << 33  # ten times Kaggle's largest archive
ARCHIVE_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_PACKERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


class FileTree:
    """What all kinds share: `names` in sorted order, and how many files are passed over for which reason."""

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.names: list[str] = []
        self.passed_over: Counter[str] = Counter()

    @contextmanager
    def open(self, name: str) -> Iterator[io.BufferedIOBase]:
        raise NotImplementedError

    def path_of(self, name: str) -> str:
        """What the user calls a file; bytes that are no UTF-8 are escaped."""
        return printable(f"{self.shown}/{name}")


class FolderTree(FileTree):
    """The files below a folder, hidden ones left out; links are followed, but not in a circle."""

    def __init__(self, root: Path, shown: str) -> None:
        super().__init__(shown)
        self.root = root
        self._list(root, "", (os.path.realpath(root),))
        self.names.sort()

    def _list(self, folder: Path, prefix: str, above: tuple[str, ...]) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = prefix + entry.name
                if is_hidden(entry.name):
                    continue
                if entry.is_symlink() and not Path(entry.path).exists():  # to nowhere, or to itself
                    self.passed_over["broken links"] += 1
                    continue
                if entry.is_dir():
                    real = os.path.realpath(entry.path) if entry.is_symlink() else f"{above[-1]}/{entry.name}"
                    if any(f"{path}/".startswith(f"{real}/") for path in above) or real == "/":
                        self.passed_over["links in a circle"] += 1
                    else:
                        self._list(Path(entry.path), f"{name}/", (*above, real))
                elif entry.is_file():
                    self.names.append(name)
                else:
                    self.passed_over["neither files nor folders"] += 1

    @contextmanager
    def open(self, name: str) -> Iterator[io.BufferedIOBase]:
        with (self.root / name).open("rb") as file:
            yield file


class ZipTree(FileTree):
    """The files inside a zip, hidden ones left out; backslashes, as old Windows programs write them, part folders."""

    def __init__(self, file: Path | IO[bytes], shown: str) -> None:
        super().__init__(shown)
        try:
            self.zip = zipfile.ZipFile(file)
        except (FileNotFoundError, PermissionError):
            raise
        except Exception as error:  # on damage zipfile raises its own, and ValueError, OSError, struct's and others
            reason = " ".join(str(error).split())[:60]
            raise InputError(f"{shown}: not a whole zip file ({reason}); fetch it again") from None
        self.members: dict[str, zipfile.ZipInfo] = {}
        for member in self.zip.infolist():
            name = member.filename.replace("\\", "/").removeprefix("./")
            if name.endswith("/") or _is_passed_over(self, name, stat.S_ISLNK(member.external_attr >> 16)):
                continue
            if name in self.members:
                raise InputError(f"{shown}: {name[:60]} is there twice")
            self.members[name] = member
        self.names = sorted(self.members)

    @contextmanager
    def open(self, name: str) -> Iterator[io.BufferedIOBase]:
        member, shown = self.members[name], self.path_of(name)
        _check_size(shown, name, member.file_size)  # more than this is not read
        if member.flag_bits & 1:
            raise InputError(f"{shown}: encrypted; unpack the zip and let data.path be its folder")
        try:
            with self.zip.open(member) as file:
                yield cast(io.BufferedIOBase, file)
        except NotImplementedError as error:
            raise InputError(f"{shown}: {error}; unpack the zip and let data.path be its folder") from None
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
            raise InputError(f"{shown}: damaged ({error}); fetch the zip again") from None


class TarTree(FileTree):
    """The files inside a tar archive, hidden ones and links left out; a packed one is unpacked beside, once."""

    def __init__(self, file: IO[bytes], shown: str) -> None:
        super().__init__(shown)
        self.members: dict[str, tarfile.TarInfo] = {}
        with self._damage():
            self.tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 (it lives as long as the tree)
            for member in self.tar:
                name = member.name.removeprefix("./")
                if not member.isdir() and not _is_passed_over(self, name, not member.isreg()):
                    self.members[name] = member  # of two of one name the later counts, as in tar
        self.names = sorted(self.members)

    @contextmanager
    def open(self, name: str) -> Iterator[io.BufferedIOBase]:
        _check_size(self.path_of(name), name, self.members[name].size)
        with self._damage():
            file = self.tar.extractfile(self.members[name])
            assert file
            with file:
                yield cast(io.BufferedIOBase, file)

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except tarfile.TarError as error:
            raise InputError(f"{self.shown}: not a whole tar archive ({error}); fetch it again") from None


class MergedTree(FileTree):
    """A tree in which some archives have become folders of the same name."""

    def __init__(self, tree: FileTree, inside: dict[str, FileTree]) -> None:
        super().__init__(tree.shown)
        self.files = {name: (tree, name) for name in tree.names if name not in inside}
        self.passed_over = tree.passed_over.copy()
        for folder, other in inside.items():
            self.files |= {f"{folder}/{name}": (other, name) for name in other.names}
            self.passed_over += other.passed_over
        self.names = sorted(self.files)

    @contextmanager
    def open(self, name: str) -> Iterator[io.BufferedIOBase]:
        tree, inner = self.files[name]
        with tree.open(inner) as file:
            yield file


def open_tree(path: Path, shown: str, stack: ExitStack) -> FileTree:
    """The files of a folder, a zip file or a tar archive, which stay open as long as `stack`.

    Raises:
        InputError: it is nothing of these, or damaged.
    """
    if path.is_dir():
        return FolderTree(path, shown)
    return _open_archive(stack.enter_context(path.open("rb")), shown, stack)


def mount(tree: FileTree, names: list[str], stack: ExitStack) -> FileTree:
    """The tree with some of its zip and tar files opened, each as a folder."""
    inside: dict[str, FileTree] = {}
    for name in names:
        if isinstance(tree, FolderTree):
            file = stack.enter_context((tree.root / name).open("rb"))
        else:
            with tree.open(name) as packed:
                file = _unpack(packed, stack)
        inside[name] = _open_archive(file, tree.path_of(name), stack)
    return MergedTree(tree, inside) if inside else tree


def _open_archive(file: IO[bytes], shown: str, stack: ExitStack) -> FileTree:
    """A zip or tar archive by what it holds; its ending may be anything."""
    start = file.read(8)
    file.seek(0)
    if start.startswith(b"PK"):
        tree = ZipTree(file, shown)
        stack.callback(tree.zip.close)
        return tree
    packer = next((packer for mark, packer in _PACKERS.items() if start.startswith(mark)), None)
    if packer:
        try:
            with packer(file) as unpacked:
                file = _unpack(unpacked, stack)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            if isinstance(error, OSError) and error.errno:  # a full disk, not damage
                raise
            raise InputError(f"{shown}: not a whole archive ({error}); fetch it again") from None
    if packer or tarfile.is_tarfile(file):
        file.seek(0)
        tree = TarTree(file, shown)
        stack.callback(tree.tar.close)
        return tree
    kind = "a 7z archive" if start.startswith(b"7z\xbc\xaf") else "a RAR archive" if start.startswith(b"Rar!") else ""
    if kind:
        raise InputError(f"{shown}: {kind} by itself; let data.path be the folder that holds it, or that it unpacks to")
    raise InputError(f"{shown}: neither a folder nor a whole zip or tar file; if it should be one, fetch it again")


def _unpack(file: Any, stack: ExitStack) -> IO[bytes]:
    """A copy without a name on disk, in which every place is reached at once."""
    copy = stack.enter_context(cast(IO[bytes], tempfile.TemporaryFile()))  # noqa: SIM115 (the stack closes it)
    with tell_disk_full(Path(tempfile.gettempdir())):
        while piece := file.read(1 << 20):
            if copy.tell() + len(piece) > MAX_FILE_BYTES:
                raise InputError(f"an archive unpacks to more than {MAX_FILE_BYTES:,} bytes; unpack it yourself")
            copy.write(piece)
    copy.seek(0)
    return copy


def _is_passed_over(tree: FileTree, name: str, is_link: bool) -> bool:
    """Whether a member of an archive is not for us; what its owner could miss is counted."""
    if name.startswith("/") or ".." in name.split("/") or re.match("[A-Za-z]:", name):
        tree.passed_over["names that lead out of the archive"] += 1
    elif is_link and not is_hidden(name):
        tree.passed_over["links in an archive"] += 1
    else:
        return is_hidden(name)
    return True


def _check_size(shown: str, name: str, num_bytes: int) -> None:
    most = MAX_ENCODED_BYTES if is_image(name) else MAX_FILE_BYTES
    if num_bytes > most:
        raise InputError(f"{shown}: {num_bytes:,} bytes; at most {most:,} are read")


def is_image(name: str) -> bool:
    """Whether a name ends like an image file that `images.codec.decode_image` reads."""
    return ending(name) in FORMATS


def ending(name: str) -> str:
    """`train/1.PNG` -> `.png`; an empty string where there is none."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (a Path for each of 300,000 names takes seconds)


def printable(name: str) -> str:
    """A name with all escaped that cannot be printed or written into a table: bytes that are no UTF-8, line breaks."""
    if name.isprintable():
        return name
    text = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
