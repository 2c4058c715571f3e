"""Plain PNGs, many at a time, with zlib and numpy alone: a third of the time that Pillow takes one by one.

Plain is what the competition's images are: 32x32 pixels, 8-bit RGB, not interlaced, every checksum right. Whatever
differs in any way is left to Pillow, which decides whether it is an image at all.

The format: https://www.w3.org/TR/png-3/.
"""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int16, UInt8

SIZE_PIXELS = 32

_LINE_BYTES = 1 + 3 * SIZE_PIXELS  # the number of the filter, then red, green, blue, red, ...
_PIXEL_BYTES = SIZE_PIXELS * _LINE_BYTES
# Pixels that deflate cannot shrink are stored, with a few bytes around them. More is no plain image but might be a
# bomb: deflate packs up to a thousand bytes into one.
_MAX_COMPRESSED_BYTES = _PIXEL_BYTES + 1024

_INFLATED_BYTES = 1 << 24  # of a large image's pixels at a time, only to count them

_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


_SIDE = SIZE_PIXELS.to_bytes(4, "big")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START = _SIGNATURE + _chunk(b"IHDR", _SIDE + _SIDE + b"\x08\x02\x00\x00\x00")
_END = _chunk(b"IEND", b"")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type: grey, RGB, palette, grey and alpha, RGBA
# The passes of an interlaced image: first column and row, and the steps to the next ones.
_ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
# Chunks that may stand before the pixels and do not change them, with the length that makes them valid.
_IGNORED = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 7}


def decode_plain_pngs(
    encoded: Sequence[bytes],
) -> tuple[UInt8[np.ndarray, "plain 3 32 32"], Bool[np.ndarray, " images"]]:
    """Decode those of `encoded` that are plain: their pixels, in order, and which ones they are. Nothing is raised."""
    lines = [scanlines(data) for data in encoded]
    plain = np.array([found is not None for found in lines], dtype=bool)
    whole = np.frombuffer(b"".join(found for found in lines if found is not None), dtype=np.uint8)
    return unfilter(whole.reshape(-1, SIZE_PIXELS, _LINE_BYTES)), plain


def scanlines(data: bytes) -> bytes | None:
    """The inflated, still filtered lines of a plain PNG; None for anything else."""
    if not (data.startswith(_START) and data.endswith(_END)):
        return None
    start = len(_START)
    while (kind := data[start + 4 : start + 8]) in _IGNORED:
        end = start + 12 + _IGNORED[kind]
        if data[start:end] != _chunk(kind, data[start + 8 : end - 4]):
            return None
        start = end
    body = data[start + 8 : -len(_END) - 4]
    if kind != b"IDAT" or len(body) > _MAX_COMPRESSED_BYTES or data[start : -len(_END)] != _chunk(kind, body):
        return None
    try:
        lines = zlib.decompress(body, bufsize=_PIXEL_BYTES)
    except zlib.error:
        return None
    return lines if len(lines) == _PIXEL_BYTES and max(lines[::_LINE_BYTES]) <= _PAETH else None


def split_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and body of every chunk of a PNG up to its end.

    Raises:
        ValueError: it is cut off, or a checksum is wrong. Pillow passes over those of the pixels.
    """
    chunks, start, kind = [], len(_SIGNATURE), b""
    while kind != b"IEND":
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        kind, body = data[start + 4 : start + 8], data[start + 8 : end - 4]
        if end > len(data):
            raise ValueError("cut off")
        if data[start:end] != _chunk(kind, body):
            raise ValueError("wrong checksum")
        chunks.append((kind, body))
        start = end
    return chunks


def check_png(data: bytes) -> None:
    """Raise ValueError where a checksum is wrong, pixels are missing, which Pillow makes up, or it is animated.

    Inflates all pixels, so the size in the header must be known to be harmless.
    """
    chunks = split_chunks(data)
    if b"acTL" in dict(chunks):
        raise ValueError("animated")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", dict(chunks)[b"IHDR"])
    bits = depth * _CHANNELS[colour]
    missing = 0
    for x, y, dx, dy in _ADAM7 if interlace else [(0, 0, 1, 1)]:
        columns, rows = len(range(x, width, dx)), len(range(y, height, dy))
        missing += rows * (1 + -(-columns * bits // 8)) if columns else 0
    packed, inflater = b"".join(body for kind, body in chunks if kind == b"IDAT"), zlib.decompressobj()
    while missing > 0:
        piece = inflater.decompress(packed, _INFLATED_BYTES)
        if not piece:
            raise ValueError("pixels are missing")
        packed, missing = inflater.unconsumed_tail, missing - len(piece)


def unfilter(lines: UInt8[np.ndarray, "images 32 97"]) -> UInt8[np.ndarray, "images 3 32 32"]:
    """Undo the filters of PNG (section 9), which add to each byte a guess made from its neighbours.

    A pixel needs the ones to its left, above, and above left: so all pixels on one diagonal, of all images, are done
    in one go. Without the neighbours that they do not use, filters Sub and Up are cases of Paeth.
    """
    count = len(lines)
    kinds = np.repeat(lines[:, :, 0].T, 3, axis=1)
    # [x + y + 1, y + 1, image and channel]: each diagonal is one slice, with zeros before its first row and column
    pixels = np.zeros((2 * SIZE_PIXELS, SIZE_PIXELS + 1, count, 3), dtype=np.int16)
    colours = lines[:, :, 1:].reshape(count, SIZE_PIXELS, SIZE_PIXELS, 3)
    for y in range(SIZE_PIXELS):
        pixels[y + 1 : y + 1 + SIZE_PIXELS, y + 1] = colours[:, y].transpose(1, 0, 2)
    _add_guesses(pixels.reshape(2 * SIZE_PIXELS, SIZE_PIXELS + 1, count * 3), kinds)
    decoded = np.empty((count, 3, SIZE_PIXELS, SIZE_PIXELS), dtype=np.uint8)
    for y in range(SIZE_PIXELS):
        decoded[:, :, y] = pixels[y + 1 : y + 1 + SIZE_PIXELS, y + 1].transpose(1, 2, 0)
    return decoded


def _add_guesses(pixels: Int16[np.ndarray, "64 33 values"], kinds: UInt8[np.ndarray, "32 values"]) -> None:
    """Turn the diagonals of differences into pixels, in place, one after the other."""
    uses_left, uses_above, uses_corner, averages = (
        -np.isin(kinds, which).astype(np.int16)  # -1 has all bits set
        for which in ((_SUB, _AVERAGE, _PAETH), (_UP, _AVERAGE, _PAETH), (_PAETH,), (_AVERAGE,))
    )
    any_average = averages.any()
    for diagonal in range(2 * SIZE_PIXELS - 1):
        first, last = max(0, diagonal + 1 - SIZE_PIXELS), min(SIZE_PIXELS, diagonal + 1)
        left = pixels[diagonal, first + 1 : last + 1] & uses_left[first:last]
        above = pixels[diagonal, first:last] & uses_above[first:last]
        corner = pixels[max(diagonal - 1, 0), first:last] & uses_corner[first:last]
        guess = paeth(left, above, corner)
        if any_average:
            guess ^= (guess ^ ((left + above) >> 1)) & averages[first:last]
        here = pixels[diagonal + 1, first + 1 : last + 1]
        here += guess
        here &= 255


def paeth(
    left: Int16[np.ndarray, "*shape"], above: Int16[np.ndarray, "*shape"], corner: Int16[np.ndarray, "*shape"]
) -> Int16[np.ndarray, "*shape"]:
    """Of three values 0..255 the one nearest to left + above - corner; of equals the first named.

    With a threshold of 3 corner - left - above it is the lower of left and above where their higher is not beyond the
    threshold, the higher where the threshold is not beyond their lower, else the corner. Selected by bits, since
    numpy's `where` is several times slower.
    """
    low, high = np.minimum(left, above), np.maximum(left, above)
    threshold = 3 * corner - left - above
    guess = low ^ ((low ^ corner) & ((threshold - high) >> 15))  # shifted by 15: -1 where negative, else 0
    return high ^ ((high ^ guess) & ((low - threshold) >> 15))
