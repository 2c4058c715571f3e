"""7z files as streams of bytes: what the header says, the bytes of all files in one pass, and a writer.

The only module that uses py7zr.
"""

import gc
import shutil
import subprocess
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import py7zr
from py7zr.compressor import SevenZipDecompressor
from py7zr.exceptions import UnsupportedCompressionMethodError
from py7zr.helpers import ArchiveTimestamp
from tqdm import tqdm

from cifar10.core.config import InputError
from cifar10.core.files import atomic_path

PIECE_BYTES = 1 << 20

# Written into every member, so that the same images always make the same archive (FILETIME of 2013-10-19, the day
# on which Kaggle's own files are dated).
_MEMBER_TIME = ArchiveTimestamp(130266144000000000)

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


class PackedFile(NamedTuple):
    """One file in an archive, as the header describes it."""

    name: str
    num_bytes: int
    crc32: int | None
    is_link: bool


class Block(NamedTuple):
    """Files that were compressed as one stream (7-Zip's word is folder)."""

    position: int  # in the file
    packed_bytes: int
    num_bytes: int
    methods: Any  # in py7zr's terms
    sizes: list[int]  # after each of the methods
    crc32: int | None


def read_header(path: Path, shown: str) -> tuple[list[PackedFile], list[Block]]:
    """The files in an archive, in its order, and the blocks that hold them; nothing is decompressed.

    Args:
        path: the archive.
        shown: what errors call it.

    Raises:
        InputError: not a 7z archive, encrypted, or damaged.
    """
    gc.disable()  # it would go through the growing list of files again and again
    try:
        with _one_line(shown), path.open("rb") as file:
            start = file.read(8)
            for kind, advice in _OTHER_KINDS.items():
                if start.startswith(kind):
                    raise InputError(f"{shown}: {advice}")
            file.seek(0)
            with py7zr.SevenZipFile(file) as archive:
                if archive.needs_password():
                    raise py7zr.PasswordRequired([], "the data are encrypted")
                files, blocks = _list_files(archive), _list_blocks(archive)
            if sum(file.num_bytes for file in files) != sum(block.num_bytes for block in blocks):
                raise py7zr.Bad7zFile("sizes contradict each other")
            return files, blocks
    finally:
        gc.enable()
        gc.collect()  # py7zr's own view of it, a kilobyte for each file, holds itself in memory by a circle


def _list_files(archive: py7zr.SevenZipFile) -> list[PackedFile]:
    """All files, and those folders that claim to have bytes."""
    return [
        PackedFile(file.filename, file.uncompressed, file.crc32, file.is_symlink)
        for file in archive.files
        if file.uncompressed or not file.is_directory
    ]


def _list_blocks(archive: py7zr.SevenZipFile) -> list[Block]:
    """Where the blocks lie and how they are compressed."""
    streams = archive.header.main_streams
    if streams is None:  # no member has any bytes
        return []
    assert streams.packinfo is not None
    assert streams.unpackinfo is not None
    start = archive.afterheader + streams.packinfo.packpos
    packed = zip(streams.packinfo.packpositions, streams.packinfo.packsizes, streams.unpackinfo.folders, strict=False)
    return [
        Block(start + position, size, f.get_unpack_size(), f.coders, f.unpacksizes, f.crc if f.digestdefined else None)
        for position, size, f in packed
    ]


def unpack(path: Path, blocks: list[Block], shown: str) -> Generator[bytes, None, None]:
    """The bytes of all files, one after the other, in pieces.

    By 7-Zip's program, where it is installed, for LZMA, which it unpacks quicker, and for what py7zr cannot.

    Raises:
        InputError: the data are damaged or end too early, or nobody here knows their method.
    """
    program = shutil.which("7zz")
    is_lzma = all(method["method"] in _LZMA for block in blocks for method in block.methods)
    with _one_line(shown), path.open("rb") as file:
        if program and (is_lzma or not all(map(_is_known, blocks))):
            yield from _run_7zip(program, path)
            return
        for block in blocks:
            file.seek(block.position)
            yield from _unpack_block(block, file)


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


def _is_known(block: Block) -> bool:
    """Whether py7zr knows the methods of a block: of 7-Zip's own it lacks Deflate64 and BCJ2, among others."""
    try:
        SevenZipDecompressor(block.methods, block.packed_bytes, block.sizes, block.crc32)
    except UnsupportedCompressionMethodError:
        return False
    return True


def _unpack_block(block: Block, file: BinaryIO) -> Iterator[bytes]:
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


def write_7z(path: Path, members: Iterable[tuple[str, bytes]], compress: bool = True) -> None:
    """Write a 7z archive of `(name, bytes)` pairs, all or nothing; the same pairs give the same file, byte for byte.

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
        raise InputError(damaged(shown, " ".join(str(error).split())[:80] or type(error).__name__)) from None


def damaged(shown: str, reason: str) -> str:
    """The line about a file that is not, or no longer, a 7z archive."""
    return f"{shown}: not a whole 7z archive ({reason}); fetch it again"
