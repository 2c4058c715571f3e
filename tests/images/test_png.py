"""The quick decoder against Pillow: on whatever it accepts both agree to the pixel, and it refuses the rest."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from cifar10.core.config import InputError
from cifar10.images.codec import decode_image, decode_images, encode_png
from cifar10.images.png import decode_plain_pngs, paeth, scanlines

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = (32).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
RGB = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def png(lines: bytes, header: bytes = HEADER, before: bytes = b"", packed: bytes | None = None) -> bytes:
    """A PNG with right checksums around filtered lines, or around a given zlib stream."""
    body = zlib.compress(lines) if packed is None else packed
    return SIGNATURE + chunk(b"IHDR", header) + before + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def random_lines(random: np.random.Generator, filters: tuple[int, ...] = (0, 1, 2, 3, 4)) -> np.ndarray:
    """Lines of random differences, each with a filter drawn from `filters`: UInt8 [32 97]."""
    spread = random.choice([2, 20, 256])
    lines = random.integers(0, spread, (32, 97)).astype(np.uint8)
    lines[:, 0] = random.choice(filters, 32)
    return lines


def by_pillow(data: bytes) -> np.ndarray | str:
    """The pixels, or why there are none."""
    try:
        return decode_image(data, "train/1.png")
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("filters", [(0,), (1,), (2,), (3,), (4,), (1, 2, 4), (0, 1, 2, 3, 4)])
def test_every_filter_is_undone_as_pillow_undoes_it(filters):
    random = np.random.default_rng(1)
    encoded = [png(random_lines(random, filters).tobytes()) for _ in range(50)]
    pixels, plain = decode_plain_pngs(encoded)
    assert plain.all()
    assert (pixels == np.stack([by_pillow(data) for data in encoded])).all()


def test_the_guess_of_paeth_is_the_standards():
    values = np.arange(0, 256, 15)
    left, above, corner = (part.ravel().astype(np.int16) for part in np.meshgrid(values, values, values))
    distances = np.stack([abs(left + above - corner - near) for near in (left, above, corner)])
    nearest = distances.argmin(axis=0)  # the first of equals, as the standard breaks ties
    assert (paeth(left, above, corner) == np.choose(nearest, (left, above, corner))).all()


def test_chunks_that_change_no_pixel_are_passed_over():
    before = chunk(b"gAMA", (45455).to_bytes(4, "big")) + chunk(b"pHYs", bytes(8) + b"\x01") + chunk(b"sRGB", b"\x00")
    data = png(random_lines(np.random.default_rng(2)).tobytes(), before=before)
    pixels, plain = decode_plain_pngs([data])
    assert plain.all()
    assert (pixels[0] == by_pillow(data)).all()


LINES = random_lines(np.random.default_rng(3)).tobytes()
PACKED = zlib.compress(LINES)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SIGNATURE,
        png(LINES)[:-1],
        png(LINES) + b"x",
        png(LINES[:-97]),
        png(LINES + LINES[:97]),
        png(b"\x05" + LINES[1:]),
        png(bytes(1 << 22)),
        png(LINES, packed=PACKED[:-1]),
        png(LINES, packed=PACKED[:-1] + bytes([PACKED[-1] ^ 1])),
        png(LINES, packed=b""),
        png(LINES, packed=bytes(5000)),
        png(LINES, header=HEADER[:-1] + b"\x01"),
        png(LINES, header=HEADER[:9] + b"\x06" + HEADER[10:]),
        png(LINES, before=chunk(b"gAMA", b"short")),
        png(LINES, before=chunk(b"acTL", bytes(8))),
        png(LINES, before=chunk(b"tRNS", bytes(6))),
        png(LINES, before=chunk(b"sRGB", b"\x00")[:-1] + b"x"),
    ],
)
def test_what_is_not_plain_is_left_to_pillow(data):
    assert scanlines(data) is None


def test_damaged_files_fare_as_with_pillow():
    """Bits flipped, ends cut off, bytes doubled and dropped; half of them below checksums that were set right again."""
    random = np.random.default_rng(4)
    damaged = [damage(random) for _ in range(4000)]
    pixels, plain = decode_plain_pngs(damaged)
    assert 0 < plain.sum() < 1500  # some damage is only another image
    for data, found in zip(
        [data for data, is_plain in zip(damaged, plain, strict=True) if is_plain], pixels, strict=True
    ):
        expected = by_pillow(data)
        assert isinstance(expected, np.ndarray)
        assert (found == expected).all()


def damage(random: np.random.Generator) -> bytes:
    lines = random_lines(random).tobytes()
    if random.random() < 0.5:
        return hurt(png(lines), random)
    part = random.integers(3)
    if part == 0:
        return png(hurt(lines, random))
    if part == 1:
        return png(lines, packed=hurt(zlib.compress(lines), random))
    return png(lines, header=hurt(HEADER, random))


def hurt(data: bytes, random: np.random.Generator) -> bytes:
    at = int(random.integers(len(data)))
    kinds = {
        "flip": data[:at] + bytes([data[at] ^ 1 << int(random.integers(8))]) + data[at + 1 :],
        "cut": data[:at],
        "double": data[: at + 1] + data[at:],
        "drop": data[:at] + data[at + 1 :],
    }
    return kinds[random.choice(list(kinds))]


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    return buffer.getvalue()


def test_a_batch_may_hold_images_of_every_kind():
    image = Image.fromarray(RGB.transpose(1, 2, 0))
    batch = [
        ("1.png", encode_png(RGB)),
        ("2.png", encoded(image.convert("P"), "PNG")),
        ("3.PNG", encode_png(RGB[::-1])),
        ("4.jpg", encoded(image, "JPEG")),
        ("5.png", encoded(image.convert("LA"), "PNG")),
    ]
    decoded = decode_images(batch)
    assert (decoded == np.stack([decode_image(data, name) for name, data in batch])).all()
    assert decode_images([]).shape == (0, 3, 32, 32)


def test_the_first_bad_image_of_a_batch_is_named():
    batch = [("1.png", encode_png(RGB)), ("2.jpg", encode_png(RGB)), ("3.png", b"oops")]
    with pytest.raises(InputError, match=r"^2\.jpg: not a readable JPEG image \(wrong format: PNG; "):
        decode_images(batch)
