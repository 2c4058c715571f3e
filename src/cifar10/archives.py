"""7z archives of numbered images, and folders or zip files of anything: read in memory, nothing extracted to disk.

The only module that uses py7zr.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import py7zr
from py7zr.helpers import ArchiveTimestamp
from tqdm import tqdm

from cifar10.config import InputError
from cifar10.files import atomic_path
from cifar10.images import FORMATS, MAX_ENCODED_BYTES

# `train/17.png`: one image, named by its id, at most one folder deep. Nothing else is read out of an archive.
_NUMBERED_IMAGE = re.compile(r"(?:[\w-]+/)?(0|[1-9][0-9]{0,17})\.(?:png|jpg|jpeg)", re.IGNORECASE)

# Written into every member, so that the same images always make the same archive (FILETIME of 2013-10-19, the day
# on which Kaggle's own files are dated).
_MEMBER_TIME = ArchiveTimestamp(130266144000000000)

MAX_MEMBERS = 1_000_000

T = TypeVar("T")


def image_id(name: str) -> int | None:
    """The id in a member name such as `train/17.png`, or None where the name has another form."""
    match = _NUMBERED_IMAGE.fullmatch(name)
    return int(match[1]) if match else None


def read_ids(archive: Path) -> list[int]:
    """Ids of all images in a 7z archive, in its order, from the header alone.

    Raises:
        InputError: not a 7z archive, encrypted, a member that is not a numbered image, one that is too large, or an
            id that is there twice.
    """
    return _open(archive, lambda opened: [number for number, _ in _members(archive, opened).values()])


def visit_images(archive: Path, visit: Callable[[int, str, bytes], None]) -> None:
    """Call `visit(id, name, encoded bytes)` for every image of a 7z archive, in its order, one decompression pass.

    Raises:
        InputError: as `read_ids`, or damaged data (every member's CRC is checked). What `visit` raises passes through.
    """
    _open(archive, lambda opened: opened.extractall(factory=_VisitorFactory(_members(archive, opened), visit)))


def _members(archive: Path, opened: py7zr.SevenZipFile) -> dict[str, tuple[int, py7zr.FileInfo]]:
    """Member name -> (id, header entry); refuses what must not be read before anything is decompressed."""
    members: dict[str, tuple[int, py7zr.FileInfo]] = {}
    names_by_id: dict[int, str] = {}
    for info in opened.list():
        if info.is_directory:
            continue
        number = image_id(info.filename)
        if number is None or info.is_symlink:
            raise InputError(f"{archive}: member {info.filename[:60]!r} is not an image named by its id (17.png)")
        if number in names_by_id:
            raise InputError(f"{archive}: id {number} is there twice ({names_by_id[number]} and {info.filename})")
        if info.uncompressed > MAX_ENCODED_BYTES:
            raise InputError(f"{archive}: {info.filename} has {info.uncompressed:,} bytes; not a 32x32 image")
        names_by_id[number] = info.filename
        members[info.filename] = (number, info)
    if len(members) > MAX_MEMBERS:
        raise InputError(f"{archive}: {len(members):,} images; at most {MAX_MEMBERS:,} are read")
    return members


def write_7z(path: Path, members: Iterable[tuple[str, bytes]], compress: bool = True) -> None:
    """Write a 7z archive of `(name, bytes)` pairs; the same pairs give the same file, byte for byte.

    `compress=False` stores the members as they are: right for JPEG files, which LZMA does not make smaller.
    """
    method: dict[str, int] = {"id": py7zr.FILTER_LZMA2, "preset": 6} if compress else {"id": py7zr.FILTER_COPY}
    with atomic_path(path) as partial, _Timeless(partial, "w", filters=[method]) as archive:
        for name, data in tqdm(members, desc=f"packing {path.name}", unit=" images", disable=None):
            archive.writestr(data, name)


class _Timeless(py7zr.SevenZipFile):
    """A 7z writer whose members carry a fixed time instead of the clock's."""

    @staticmethod
    def _make_file_info_from_name(bio: Any, size: int, arcname: str) -> Any:
        info = py7zr.SevenZipFile._make_file_info_from_name(bio, size, arcname)
        info["creationtime"] = info["lastwritetime"] = info["lastaccesstime"] = _MEMBER_TIME
        return info


def _open(path: Path, read: Callable[[py7zr.SevenZipFile], T]) -> T:
    """Open a 7z archive, hand it to `read`, and turn py7zr's many ways to fail into one line."""
    try:
        # Given a file object, py7zr reads the blocks of an archive in turn; given a path, in threads.
        with path.open("rb") as file, py7zr.SevenZipFile(file) as archive:
            if archive.needs_password():
                raise InputError(f"{path}: the archive is encrypted; the competition's files are not")
            return read(archive)
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # py7zr raises its own, lzma's, struct's, and on damage KeyError, TypeError and others
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise InputError(f"{path}: not a whole 7z archive ({reason}); fetch it again") from None


class _Visitor(py7zr.Py7zIO):
    """Collects one member and hands it on, if it is whole, when py7zr closes it."""

    def __init__(self, number: int, info: py7zr.FileInfo, visit: Callable[[int, str, bytes], None]) -> None:
        self.number, self.info, self.visit, self.buffer = number, info, visit, io.BytesIO()

    def write(self, s: bytes | bytearray) -> int:
        return self.buffer.write(s)

    def read(self, size: int | None = None) -> bytes:
        return self.buffer.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.buffer.seek(offset, whence)

    def flush(self) -> None:
        pass

    def size(self) -> int:
        return self.buffer.getbuffer().nbytes

    def close(self) -> None:
        data = self.buffer.getvalue()
        # py7zr closes a damaged member too, and raises its error only afterwards: leave the word to it.
        if len(data) == self.info.uncompressed and self.info.crc32 in (None, zlib.crc32(data)):
            self.visit(self.number, self.info.filename, data)


class _VisitorFactory(py7zr.WriterFactory):
    def __init__(
        self, members: dict[str, tuple[int, py7zr.FileInfo]], visit: Callable[[int, str, bytes], None]
    ) -> None:
        self.members, self.visit = members, visit

    def create(self, filename: str) -> py7zr.Py7zIO:
        return _Visitor(*self.members[filename], self.visit)


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
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise InputError(f"{path}: not a whole zip file ({error}); fetch it again") from None
        self.path = path
        inside = [i.filename for i in self.zip.infolist() if not i.is_dir() and not _is_hidden(i.filename)]
        tops = {name.partition("/")[0] for name in inside}
        wrapped = len(tops) == 1 and tops.isdisjoint({"train", "test"}) and all("/" in name for name in inside)
        self.prefix = f"{tops.pop()}/" if wrapped else ""
        self.names = sorted(name.removeprefix(self.prefix) for name in inside)

    @contextmanager
    def open(self, name: str) -> Iterator[io.BufferedIOBase]:
        try:
            with self.zip.open(self.prefix + name) as file:
                yield cast(io.BufferedIOBase, file)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise InputError(f"{self.path}: {name}: damaged or encrypted ({error}); fetch it again") from None


# A folder or a zip file, seen alike: sorted `names` (relative, with `/`) and `open(name)`.
FileTree = FolderTree | ZipTree


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part in ("__MACOSX", "Thumbs.db") for part in name.split("/"))


def is_image(name: str) -> bool:
    """Whether a name ends like an image file that `images.decode_image` reads."""
    return name[name.rfind(".") :].lower() in FORMATS
