import io
import zlib

import numpy as np
import pytest
from PIL import Image

from cifar10.images.codec import PICTURE_FORMATS, decode_image, decode_picture, encode_png

RGB = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def test_png_round_trip_is_exact_and_repeatable():
    data = encode_png(RGB)
    assert (decode_image(data, "1.png") == RGB).all()
    assert data == encode_png(RGB)


def test_jpeg_decodes_as_pillow_decodes_it():
    data = encoded(Image.fromarray(RGB.transpose(1, 2, 0)), "JPEG", quality=75)
    expected = np.asarray(Image.open(io.BytesIO(data))).transpose(2, 0, 1)
    assert (decode_image(data, "1.JPG") == expected).all()


def test_grey_is_repeated_in_each_channel():
    grey = RGB[0]
    assert (decode_image(encoded(Image.fromarray(grey)), "1.png") == grey).all()


def test_16_bit_grey_keeps_its_high_byte():
    high = RGB[0].astype(np.uint16) << 8 | 0x34
    assert (decode_image(encoded(Image.fromarray(high)), "1.png") == RGB[0]).all()


def test_alpha_is_dropped():
    rgba = np.concatenate([RGB, np.full((1, 32, 32), 7, np.uint8)]).transpose(1, 2, 0)
    assert (decode_image(encoded(Image.fromarray(rgba, "RGBA")), "1.png") == RGB).all()


def test_a_palette_is_looked_up():
    image = Image.new("P", (32, 32))
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putdata([1] * 1024)
    assert (decode_image(encoded(image), "1.png") == np.array([10, 20, 30])[:, None, None]).all()


def test_one_bit_images_become_black_and_white():
    bits = RGB[0] > 127
    assert (decode_image(encoded(Image.fromarray(bits)), "1.png") == bits * 255).all()


def bomb() -> bytes:
    """A PNG whose header promises 20,000 x 20,000 pixels."""
    header = b"IHDR" + (20_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    chunk = (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + chunk + encode_png(RGB)[33:]


GOOD = encode_png(RGB)


def test_a_picture_of_32x32_keeps_its_pixels():
    assert (decode_picture(GOOD, "a") == RGB).all()


MODES = {"PNG": ("1", "L", "LA", "P", "RGB", "RGBA"), "JPEG": ("L", "RGB", "CMYK"), "GIF": ("P",), "TIFF": ("RGB", "F")}


@pytest.mark.parametrize(
    ("kind", "mode"), [(kind, mode) for kind in PICTURE_FORMATS for mode in MODES.get(kind, ("RGB",))]
)
def test_a_picture_of_any_size_and_mode_becomes_32x32(kind, mode):
    image = Image.new("RGB", (200, 77), (255, 255, 255))
    pixels = decode_picture(encoded(image.convert(mode), kind), "a.xyz")
    assert pixels.shape == (3, 32, 32)
    assert pixels.min() > 250


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_odd_transparency_does_not_warn():
    image = Image.new("P", (32, 32))
    assert decode_picture(encoded(image, transparency=bytes(range(256))), "a").shape == (3, 32, 32)


def test_a_picture_is_shrunk_without_aliasing():
    """Lines of one pixel, black and white by turns, become grey and not black or white."""
    stripes = np.zeros((320, 320), dtype=np.uint8)
    stripes[:, ::2] = 255
    pixels = decode_picture(encoded(Image.fromarray(stripes)), "a")
    assert abs(pixels[:, 4:-4, 4:-4].astype(int) - 127).max() <= 3


def test_a_picture_is_turned_as_its_exif_data_says():
    image = Image.fromarray(RGB.transpose(1, 2, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    expected = np.rot90(RGB, k=-1, axes=(1, 2))
    assert (decode_picture(encoded(image, exif=exif), "a") == expected).all()
