"""7z archives of numbered images, read in memory: nothing is extracted to disk."""

import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from cifar10.core.config import InputError
from cifar10.images.codec import FORMATS, MAX_ENCODED_BYTES
from cifar10.images.readahead import read_ahead
from cifar10.images.seven_zip import Block, PackedFile, damaged, read_header, unpack

# `train/17.png`: one image, named by its id, at most one folder deep. Nothing else is read out of an archive.
_ENDINGS = "|".join(ending.removeprefix(".") for ending in FORMATS)
_NUMBERED_IMAGE = re.compile(rf"(?:[\w-]+/)?(0|[1-9][0-9]{{0,17}})\.(?:{_ENDINGS})", re.IGNORECASE)

MAX_MEMBERS = 1_000_000
MAX_HIDDEN_BYTES = 1 << 26  # Windows' Thumbs.db of a large folder; read, as a part of the stream, and dropped

# Files that systems leave beside the user's own.
_LITTER = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "icon\r"}

# Decompression runs ahead by so many `seven_zip.PIECE_BYTES` at most: what the test images gain while the labelled ones
# are dealt with.
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


@dataclass(frozen=True)
class ImageArchive:
    """A 7z archive of numbered images: its header, and a way to read them all."""

    path: Path
    files: list[Member]  # hidden ones too, in the archive's order
    blocks: list[Block]
    shown: str  # what errors call it

    @cached_property
    def members(self) -> list[Member]:
        """The images, in the archive's order."""
        return [file for file in self.files if file.id != HIDDEN]

    @contextmanager
    def read(self) -> Iterator[Iterator[tuple[Member, bytes]]]:
        """Yield an iterator over all members and their bytes, in the archive's order, one decompression pass.

        A thread begins at once to decompress, so that two archives are read side by side; it keeps at most
        MAX_PIECES_AHEAD pieces in memory. The iterator raises InputError at the first damaged member.
        """
        with read_ahead(unpack(self.path, self.blocks, self.shown), MAX_PIECES_AHEAD) as pieces:
            yield self._split(pieces)

    def _split(self, pieces: Iterator[bytes]) -> Iterator[tuple[Member, bytes]]:
        piece, start = b"", 0
        for member in self.files:
            while len(piece) - start < member.num_bytes:
                more = next(pieces, None)
                if more is None:
                    raise InputError(damaged(self.shown, "data ends too early"))
                piece, start = piece[start:] + more, 0
            data = piece[start : start + member.num_bytes]
            start += member.num_bytes
            if member.crc32 not in (None, zlib.crc32(data)):
                raise InputError(damaged(self.shown, f"wrong checksum of {member.name}"))
            if member.id != HIDDEN:
                yield member, data
        left = list(pieces)  # raises where the last block's own checksum, known after its last piece, is wrong
        assert not left


def open_images(path: Path, shown: str | None = None) -> ImageArchive:
    """Read the header of a 7z archive of images named by their ids; nothing is decompressed.

    Args:
        path: the file that is read.
        shown: what errors call it, for a copy of a file of the user's.

    Raises:
        InputError: not a 7z archive, encrypted, a member that is not a numbered image, one that is too large, or an
            id that is there twice.
    """
    shown = shown or str(path)
    files, blocks = read_header(path, shown)
    return ImageArchive(path, _check_members(shown, files), blocks, shown)


def _check_members(shown: str, files: Iterable[PackedFile]) -> list[Member]:
    """The files of an archive with their ids; refuses what must not be read before anything is decompressed."""
    found: list[Member] = []
    names: dict[int, str] = {}
    for name, num_bytes, crc32, is_link in files:
        number = HIDDEN if is_hidden(name.replace("\\", "/")) and not _leaves(name) else image_id(name)
        if number is None or is_link:
            raise InputError(f"{shown}: member {name[:60]!r} is not an image named by its id (17.png)")
        if number in names:
            raise InputError(f"{shown}: id {number} is there twice ({names[number]} and {name})")
        if not 0 <= num_bytes <= (MAX_HIDDEN_BYTES if number == HIDDEN else MAX_ENCODED_BYTES):
            raise InputError(f"{shown}: {name} has {num_bytes:,} bytes; at most {MAX_ENCODED_BYTES:,} are read")
        if number != HIDDEN:
            names[number] = name
        found.append(Member(number, name, num_bytes, crc32))
    if len(found) > MAX_MEMBERS:
        raise InputError(f"{shown}: {len(found):,} images; at most {MAX_MEMBERS:,} are read")
    return found


def _leaves(name: str) -> bool:
    """Whether a name leads out of the archive's own folder."""
    return ".." in re.split(r"[/\\]", name)
