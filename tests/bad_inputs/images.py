"""Images inside the archives: `prepare` meets each as the last labelled one."""

import io
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from conftest import NUM_TRAIN, tiny_image, tiny_members
from PIL import Image
from test_png import HEADER, LINES, SIGNATURE, chunk, png

from bad_inputs.case import Case
from cifar10.images.codec import MAX_ENCODED_BYTES, encode_png
from cifar10.images.seven_zip import write_7z

PIXELS = tiny_image(7, 0)
GOOD = encode_png(PIXELS)
IMAGE = Image.fromarray(PIXELS.transpose(1, 2, 0))


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def header(width: int = 32, height: int = 32, rest: bytes = b"\x08\x02\x00\x00\x00") -> bytes:
    """A PNG with right checksums whose header says something else than its pixels."""
    return png(LINES, header=struct.pack(">II", width, height) + rest)


GREY_16 = encoded(Image.fromarray(PIXELS[0].astype(np.uint16) << 8))
PLAIN = png(LINES, packed=zlib.compress(LINES, 0))  # pixels as they are, not compressed
FRAMES = [Image.fromarray(tiny_image(i, i).transpose(1, 2, 0)) for i in (1, 2)]

BAD = {
    "empty": b"",
    "text": b"no image at all",
    "html": b"<!doctype html><html><body>Sign in</body></html>",
    "signature alone": SIGNATURE,
    "cut in the header": GOOD[:20],
    "cut in the pixels": GOOD[:300],
    "cut before the end": GOOD[:-12],
    "cut in the end": GOOD[:-1],
    "bit flipped in the size": flipped(GOOD, 19),
    "bit flipped in the bit depth": flipped(GOOD, 24),
    "bit flipped in a checksum": flipped(GOOD, 30),
    "bit flipped in the pixels": flipped(GOOD, 100),
    "bit flipped in stored pixels": flipped(PLAIN, 100),
    "bit flipped in the end": flipped(GOOD, len(GOOD) - 2),
    "16 bit, cut": GREY_16[:-100],
    "16 bit, flipped": flipped(GREY_16, 100),
    "16 bit, 31x32": encoded(Image.fromarray(np.zeros((32, 31), np.uint16))),
    "APNG": encoded(FRAMES[0], save_all=True, append_images=FRAMES[1:]),
    "0x0": header(0, 0),
    "0x32": header(0, 32),
    "1x1": encoded(IMAGE.resize((1, 1))),
    "31x32": encoded(IMAGE.resize((31, 32))),
    "32x31": encoded(IMAGE.resize((32, 31))),
    "224x224": encoded(IMAGE.resize((224, 224))),
    "bomb of 400 megapixels": header(20_000, 20_000),
    "bomb of 2 ** 62 pixels": header(2**31 - 1, 2**31 - 1),
    "bomb of text": png(LINES, before=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 24), 9))),
    "more bytes than an image has": GOOD + bytes(MAX_ENCODED_BYTES),
    "lines missing": png(LINES[:-97]),
    "no such filter": png(b"\x09" + LINES[1:]),
    "no pixels": SIGNATURE + chunk(b"IHDR", HEADER) + chunk(b"IEND", b""),
    "no such colour type": header(rest=b"\x08\x07\x00\x00\x00"),
    "no such bit depth": header(rest=b"\x07\x02\x00\x00\x00"),
    "pixels not packed": png(LINES, packed=LINES),
    "GIF named png": encoded(IMAGE.convert("P"), "GIF"),
    "JPEG named png": encoded(IMAGE, "JPEG"),
    "WebP named png": encoded(IMAGE, "WEBP"),
    "BMP named png": encoded(IMAGE, "BMP"),
    "TIFF named png": encoded(IMAGE, "TIFF"),
}
BAD_JPEG = {
    "PNG named jpg": GOOD,
    "JPEG of 8x8": encoded(IMAGE.resize((8, 8)), "JPEG"),
    "JPEG cut": encoded(IMAGE, "JPEG")[:400],
}


def put(data: bytes, ending: str) -> None:
    """The training archive with `data` in place of its last image."""
    members = [*tiny_members("train", NUM_TRAIN - 1), (f"train/{NUM_TRAIN}.{ending}", data)]
    write_7z(Path("data/raw/train.7z"), members, compress=False)


def case(data: bytes, ending: str, apart: bool = False) -> Case:
    return Case("prepare", partial(put, data, ending), ("data/raw/train.7z", f"train/{NUM_TRAIN}.{ending}"), apart)


CASES = {name: case(data, "png", apart=name.endswith("400 megapixels")) for name, data in BAD.items()} | {
    name: case(data, "jpg") for name, data in BAD_JPEG.items()
}
