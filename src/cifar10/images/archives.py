"""7z archives of numbered images, read in memory: nothing is extracted to disk.

The only module that uses py7zr.
"""

import gc
import re
import shutil
import subprocess
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import py7zr
from py7zr.compressor import SevenZipDecompressor
from py7zr.exceptions import UnsupportedCompressionMethodError
from py7zr.helpers import ArchiveTimestamp
from py7zr.py7zr import ArchiveFile
from tqdm import tqdm

from cifar10.core.config import InputError
from cifar10.core.files import atomic_path
from cifar10.images.codec import FORMATS, MAX_ENCODED_BYTES
from cifar10.images.readahead import read_ahead

# `train/17.png`: one image, named by its id, at most one folder deep. Nothing else is read out of an archive.
_ENDINGS = "|".join(ending.removeprefix(".") for ending in FORMATS)
_NUMBERED_IMAGE = re.compile(rf"(?:[\w-]+/)?(0|[1-9][0-9]{{0,17}})\.(?:{_ENDINGS})", re.IGNORECASE)

# Written into every member, so that the same images always make the same archive (FILETIME of 2013-10-19, the day
# on which Kaggle's own files are dated).
_MEMBER_TIME = ArchiveTimestamp(130266144000000000)

MAX_MEMBERS = 1_000_000
MAX_HIDDEN_BYTES = 1 << 26  # Windows' Thumbs.db of a large folder; read, as a part of the stream, and dropped

_LZMA = {b"\x03\x01\x01", b"\x21"}  # LZMA and LZMA2 by their numbers in the format

# How a file begins that is named .7z and is none -> what it is, and what to do with it.
_OTHER_KINDS = {
    b"PK\x03\x04": "a zip file named .7z; rename it to end in .zip",
    b"PK\x05\x06": "a zip file named .7z, and an empty one",
    b"\x1f\x8b": "a gzip file (tar.gz) named .7z; unpack it, and let data.path be its folder",
    b"BZh": "a bzip2 file (tar.bz2) named .7z; unpack it, and let data.path be its folder",
    b"\xfd7zXZ\0": "an xz file (tar.xz) named .7z; unpack it, and let data.path be its folder",
    b"Rar!": "a RAR archive named .7z; unpack it, and let data.path be its folder",
}

# Files that systems leave beside the user's own.
_LITTER = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "icon\r"}

# Decompression runs ahead by this much at most: what the test images gain while the labelled ones are dealt with.
PIECE_BYTES = 1 << 20
MAX_PIECES_AHEAD = 192


def image_id(name: str) -> int | None:
    """The id in a member name such as `train/17.png`, or None where the name has another form."""
    match = _NUMBERED_IMAGE.fullmatch(name)
    return int(match[1]) if match else None


def is_hidden(name: str) -> bool:
    """Whether a path leads to or through what its owner does not see: `.DS_Store`, `__MACOSX/`, `Thumbs.db`."""
    return any(part.startswith(".") or part.lower() in _LITTER for part in name.split("/"))


HIDDEN = -1


class Member(NamedTuple):
    """One file in an archive, as the header describes it."""

    id: int  # HIDDEN for a file that is no image
    name: str
    num_bytes: int
    crc32: int | None


class _Block(NamedTuple):
    """Members that were compressed as one stream (7-Zip's word is folder)."""

    position: int  # in the file
    packed_bytes: int
    num_bytes: int
    methods: Any  # in py7zr's terms
    sizes: list[int]  # after each of the methods
    crc32: int | None


@dataclass(frozen=True)
class ImageArchive:
    """A 7z archive of numbered images: its header, and a way to read them all."""

    path: Path
    files: list[Member]  # hidden ones too, in the archive's order
    blocks: list[_Block]
    shown: str  # what errors call it

    @cached_property
    def members(self) -> list[Member]:
        """The images, in the archive's order."""
        return [file for file in self.files if file.id != HIDDEN]

    @contextmanager
    def read(self) -> Iterator[Iterator[tuple[Member, bytes]]]:
        """Yield an iterator over all members and their bytes, in the archive's order, one decompression pass.

        A thread begins at once to decompress, so that two archives are read side by side; it keeps at most
        MAX_PIECES_AHEAD of PIECE_BYTES in memory. The iterator raises InputError at the first damaged member.
        """
        with read_ahead(self._decompress(), MAX_PIECES_AHEAD) as pieces:
            yield self._split(pieces)

    def _decompress(self) -> Generator[bytes, None, None]:
        """The bytes of all files, one after the other, in pieces.

        By 7-Zip's program, where it is installed, for LZMA, which it unpacks quicker, and for what py7zr cannot.
        """
        program = shutil.which("7zz")
        is_lzma = all(method["method"] in _LZMA for block in self.blocks for method in block.methods)
        with _one_line(self.shown), self.path.open("rb") as file:
            if program and (is_lzma or not all(map(_is_known, self.blocks))):
                yield from _run_7zip(program, self.path)
                return
            for block in self.blocks:
                file.seek(block.position)
                yield from _decompress_block(block, file)

    def _split(self, pieces: Iterator[bytes]) -> Iterator[tuple[Member, bytes]]:
        piece, start = b"", 0
        for member in self.files:
            while len(piece) - start < member.num_bytes:
                more = next(pieces, None)
                if more is None:
                    raise InputError(_damaged(self.shown, "data ends too early"))
                piece, start = piece[start:] + more, 0
            data = piece[start : start + member.num_bytes]
            start += member.num_bytes
            if member.crc32 not in (None, zlib.crc32(data)):
                raise InputError(_damaged(self.shown, f"wrong checksum of {member.name}"))
            if member.id != HIDDEN:
                yield member, data
        left = list(pieces)  # raises where the last block's own checksum, known after its last piece, is wrong
        assert not left


def _run_7zip(program: str, path: Path) -> Iterator[bytes]:
    """What `7zz e -so` writes: all members in the archive's order. Quicker than liblzma, and on a core of its own.

    Each member's checksum is verified by the reader, so all that is asked of the program is its exit code.
    """
    command = [program, "e", "-so", "-bd", "--", str(path)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout
        try:
            while piece := run.stdout.read(PIECE_BYTES):
                yield piece
            if run.wait():
                raise py7zr.Bad7zFile("the data are damaged or end too early")
        finally:
            run.kill()


def _is_known(block: _Block) -> bool:
    """Whether py7zr knows the methods of a block: of 7-Zip's own it lacks Deflate64 and BCJ2, among others."""
    try:
        SevenZipDecompressor(block.methods, block.packed_bytes, block.sizes, block.crc32)
    except UnsupportedCompressionMethodError:
        return False
    return True


def _decompress_block(block: _Block, file: BinaryIO) -> Iterator[bytes]:
    """A block in pieces of PIECE_BYTES or less, by whatever methods py7zr knows; `file` stands at its beginning."""
    decompressor = SevenZipDecompressor(block.methods, block.packed_bytes, block.sizes, block.crc32)
    missing = block.num_bytes
    while missing:
        before = file.tell()
        piece = bytes(decompressor.decompress(file, min(missing, PIECE_BYTES)))
        if not piece and file.tell() == before:
            raise py7zr.Bad7zFile("data ends too early")
        missing -= len(piece)
        yield piece
    if block.crc32 is not None and not decompressor.check_crc():
        raise py7zr.Bad7zFile("wrong checksum")


def open_images(path: Path, shown: str | None = None) -> ImageArchive:
    """Read the header of a 7z archive of images named by their ids; nothing is decompressed.

    Args:
        path: the file that is read.
        shown: what errors call it, for a copy of a file of the user's.

    Raises:
        InputError: not a 7z archive, encrypted, a member that is not a numbered image, one that is too large, or an
            id that is there twice.
    """
    gc.disable()  # it would go through the growing list of members again and again
    try:
        return _read_header(path, shown or str(path))
    finally:
        gc.enable()
        gc.collect()  # py7zr's own view of it, a kilobyte for each member, holds itself in memory by a circle


def _read_header(path: Path, shown: str) -> ImageArchive:
    with _one_line(shown), path.open("rb") as file:
        start = file.read(8)
        for kind, advice in _OTHER_KINDS.items():
            if start.startswith(kind):
                raise InputError(f"{shown}: {advice}")
        file.seek(0)
        with py7zr.SevenZipFile(file) as archive:
            if archive.needs_password():
                raise py7zr.PasswordRequired([], "the data are encrypted")
            files, blocks = _check_members(shown, archive.files), _list_blocks(archive)
        if sum(member.num_bytes for member in files) != sum(block.num_bytes for block in blocks):
            raise py7zr.Bad7zFile("sizes contradict each other")
        return ImageArchive(path, files, blocks, shown)


def _check_members(shown: str, files: Iterable[ArchiveFile]) -> list[Member]:
    """The files of an archive; refuses what must not be read before anything is decompressed."""
    found: list[Member] = []
    names: dict[int, str] = {}
    for file in files:
        name, num_bytes = file.filename, file.uncompressed
        if file.is_directory and not num_bytes:
            continue
        number = HIDDEN if is_hidden(name.replace("\\", "/")) and not _leaves(name) else image_id(name)
        if number is None or file.is_symlink:
            raise InputError(f"{shown}: member {name[:60]!r} is not an image named by its id (17.png)")
        if number in names:
            raise InputError(f"{shown}: id {number} is there twice ({names[number]} and {name})")
        if not 0 <= num_bytes <= (MAX_HIDDEN_BYTES if number == HIDDEN else MAX_ENCODED_BYTES):
            raise InputError(f"{shown}: {name} has {num_bytes:,} bytes; at most {MAX_ENCODED_BYTES:,} are read")
        if number != HIDDEN:
            names[number] = name
        found.append(Member(number, name, num_bytes, file.crc32))
    if len(found) > MAX_MEMBERS:
        raise InputError(f"{shown}: {len(found):,} images; at most {MAX_MEMBERS:,} are read")
    return found


def _leaves(name: str) -> bool:
    """Whether a name leads out of the archive's own folder."""
    return ".." in re.split(r"[/\\]", name)


def _list_blocks(archive: py7zr.SevenZipFile) -> list[_Block]:
    """Where the blocks lie and how they are compressed."""
    streams = archive.header.main_streams
    if streams is None:  # no member has any bytes
        return []
    assert streams.packinfo is not None
    assert streams.unpackinfo is not None
    start = archive.afterheader + streams.packinfo.packpos
    packed = zip(streams.packinfo.packpositions, streams.packinfo.packsizes, streams.unpackinfo.folders, strict=False)
    return [
        _Block(start + position, size, f.get_unpack_size(), f.coders, f.unpacksizes, f.crc if f.digestdefined else None)
        for position, size, f in packed
    ]


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


@contextmanager
def _one_line(shown: str) -> Iterator[None]:
    """Turn py7zr's many ways to fail into one."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{shown}: not found") from None
    except py7zr.PasswordRequired:
        raise InputError(f"{shown}: the archive is encrypted; the competition's files are not") from None
    except UnsupportedCompressionMethodError:
        advice = "install 7-Zip (7zz; Debian: 7zip), or pack it anew with LZMA2"
        raise InputError(f"{shown}: compressed by a method that py7zr does not know; {advice}") from None
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # py7zr raises its own, lzma's, struct's, and on damage KeyError, TypeError and others
        raise InputError(_damaged(shown, " ".join(str(error).split())[:80] or type(error).__name__)) from None


def _damaged(shown: str, reason: str) -> str:
    return f"{shown}: not a whole 7z archive ({reason}); fetch it again"
