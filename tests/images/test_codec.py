import io
import zlib

import numpy as np
import pytest
from PIL import Image

from cifar10.core.config import InputError
from cifar10.images.codec import FORMATS, KNOWN_FORMATS, decode_image, decode_picture, encode_png

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
    ("kind", "mode"), [(kind, mode) for kind in KNOWN_FORMATS for mode in MODES.get(kind, ("RGB",))]
)
def test_a_picture_of_any_size_and_mode_becomes_32x32(kind, mode):
    image = Image.new("RGB", (200, 77), (255, 255, 255))
    pixels = decode_picture(encoded(image.convert(mode), kind), "a.xyz")
    assert pixels.shape == (3, 32, 32)
    assert pixels.min() > 250


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_odd_transparency_does_not_warn():
    image = Image.new("P", (32, 32), 1)
    assert decode_picture(encoded(image, transparency=bytes(range(256))), "a").shape == (3, 32, 32)


def test_a_picture_is_shrunk_without_aliasing():
    """Lines of one pixel, black and white by turns, become grey and not black or white."""
    stripes = np.zeros((320, 320), dtype=np.uint8)
    stripes[:, ::2] = 255
    pixels = decode_picture(encoded(Image.fromarray(stripes)), "a")
    assert abs(pixels[:, 4:-4, 4:-4].astype(int) - 127).max() <= 3


@pytest.mark.parametrize("kind", KNOWN_FORMATS)
@pytest.mark.parametrize("side", [28, 64, 96, 224])
def test_both_ways_resize_alike(kind, side):
    """A file that is trained on and one that is asked about: the same pixels, with nothing but Pillow's own filter."""
    image = Image.fromarray(RGB.transpose(1, 2, 0)).resize((side, side))
    data = encoded(image, kind)
    ending = next(ending for ending, of in FORMATS.items() if of == kind)
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(opened.convert("RGB").resize((32, 32), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    assert (decode_picture(data, "a") == expected).all()
    assert (decode_image(data, f"a{ending}", resize=True) == expected).all()
    with pytest.raises(
        InputError, match=f"^a{ending}: the image is {side}x{side}, expected 32x32; `data.resize: true`"
    ):
        decode_image(data, f"a{ending}")


@pytest.mark.parametrize("kind", KNOWN_FORMATS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_that_is_cut_off_is_refused(kind, share):
    data = encoded(Image.fromarray(RGB.transpose(1, 2, 0)), kind)
    ending = next(ending for ending, of in FORMATS.items() if of == kind)
    with pytest.raises(InputError, match=rf"^a{ending}: not a readable {kind} image \("):
        decode_image(data[: int(len(data) * share)], f"a{ending}")
    with pytest.raises(InputError, match=r"^a: not a readable picture \("):
        decode_picture(data[: int(len(data) * share)], "a")


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "AVIF", "TIFF"])
def test_several_frames_are_refused(kind):
    frames = [Image.fromarray(np.roll(RGB, k, axis=1).transpose(1, 2, 0)) for k in range(3)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="3 frames or pages; one is expected"):
        decode_picture(data, "a")


def test_the_small_picture_behind_a_phones_is_passed_over():
    image = Image.fromarray(RGB.transpose(1, 2, 0)).resize((64, 64))
    data = encoded(image, "MPO", save_all=True, append_images=[image.rotate(90)])
    assert (decode_image(data, "a.jpg", resize=True) == decode_picture(encoded(image, "JPEG"), "a")).all()


def test_an_ending_that_is_wrong_is_told_with_the_right_one():
    with pytest.raises(InputError, match=r"^a\.jpg: not a readable JPEG image \(wrong format: PNG; its ending"):
        decode_image(GOOD, "a.jpg")
    assert (decode_picture(GOOD, "a.jpg") == RGB).all()  # a viewer shows it too


def test_unknown_formats_are_told_the_known_ones():
    with pytest.raises(InputError, match="known formats: PNG, JPEG, WEBP, AVIF, GIF, BMP, TIFF"):
        decode_picture(b"\0\0\0\x18ftypheic", "a.heic")


def test_a_phones_largest_jpeg_is_shrunk_while_it_is_decoded():
    """200 megapixels; as a PNG they would take 800 MB."""
    image = Image.new("L", (16384, 12288), 200)
    assert (decode_picture(encoded(image, "JPEG"), "a") == 200).all()


def test_too_many_pixels_are_refused_before_they_are_decoded():
    with pytest.raises(InputError, match=r"^a: 20000x20000 is too large a picture: at most 134 megapixels are"):
        decode_picture(bomb(), "a")
