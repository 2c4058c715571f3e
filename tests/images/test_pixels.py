"""What a person sees is what the network gets: depth, transparency, orientation, by both ways into the program."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cifar10.core.config import InputError
from cifar10.images.codec import FORMATS, decode_image, decode_picture

LEFT_DARK = np.repeat(np.arange(0, 256, 8, dtype=np.uint8)[None], 32, axis=0)  # brighter from left to right
BAND = slice(12, 20)  # columns of a vertical stroke


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(image: Image.Image, kind: str = "PNG", **options: Any) -> np.ndarray:
    """Int [3 32 32], the same by both ways."""
    data = encoded(image, kind, **options)
    ending = next(ending for ending, of in FORMATS.items() if of == kind)
    as_training = decode_image(data, f"train/1{ending}", resize=True)
    assert (as_training == decode_picture(data, "picture")).all()
    return as_training.astype(int)


def refusal(image: Image.Image, kind: str = "PNG", **options: Any) -> str:
    with pytest.raises(InputError) as error:
        decoded(image, kind, **options)
    return str(error.value)


@pytest.mark.parametrize("side", [32, 200])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "right_turns", "is_mirrored"),
    [
        (1, 0, False),
        (2, 0, True),
        (3, 2, False),
        (4, 2, True),
        (5, 3, True),
        (6, 1, False),
        (7, 1, True),
        (8, 3, False),
    ],
)
def test_an_image_is_turned_as_its_exif_data_says(side, kind, orientation, right_turns, is_mirrored):
    """The standard: 6, for example, is shown upright once it is turned clockwise by 90 degrees; 5 is mirrored first."""
    stored = Image.fromarray(LEFT_DARK).resize((side, side))
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decoded(stored, kind, exif=exif)
    mirrored = LEFT_DARK[:, ::-1] if is_mirrored else LEFT_DARK
    assert abs(found - np.rot90(mirrored, -right_turns)).mean() < 3


def test_damaged_exif_data_leave_the_picture_as_it_is():
    assert (decoded(Image.fromarray(LEFT_DARK), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff") == LEFT_DARK).all()


def ink(rgb: int, alpha: int = 255) -> Image.Image:
    """A vertical stroke of one grey on a transparent ground whose hidden colour is the same."""
    pixels = np.full((32, 32, 4), (rgb, rgb, rgb, 0), dtype=np.uint8)
    pixels[:, BAND, 3] = alpha
    return Image.fromarray(pixels)


# of each mode that can be transparent: an image with a stroke, its format, and what makes it transparent there
def palette(rgb: int) -> tuple[Image.Image, dict[str, Any]]:
    image = Image.fromarray(np.asarray(ink(rgb))[:, :, 3] // 255, mode="P")
    image.putpalette([rgb] * 6)
    return image, {"transparency": 0}


def one_grey(rgb: int, mode: str) -> tuple[Image.Image, dict[str, Any]]:
    """`rgb` for ink, and a neighbour of it that stands for transparent."""
    hidden = rgb - 1 if rgb else 1
    grey = np.where(np.asarray(ink(rgb))[:, :, 3] > 0, rgb, hidden)
    if mode == "I;16":
        return Image.fromarray((grey * 257).astype(np.uint16)), {"transparency": hidden * 257}
    image = Image.fromarray(grey.astype(np.uint8)).convert(mode)
    return image, {"transparency": hidden if mode == "L" else (hidden,) * 3}


TRANSPARENT = {
    "RGBA": lambda rgb: (ink(rgb), {}),
    "LA": lambda rgb: (ink(rgb).convert("LA"), {}),
    "P": palette,
    "P, alphas": lambda rgb: (palette(rgb)[0], {"transparency": b"\0\xff"}),
    "L, tRNS": lambda rgb: one_grey(rgb, "L"),
    "RGB, tRNS": lambda rgb: one_grey(rgb, "RGB"),
    "I;16, tRNS": lambda rgb: one_grey(rgb, "I;16"),
}


@pytest.mark.parametrize("mode", TRANSPARENT)
@pytest.mark.parametrize(("rgb", "ground"), [(0, 255), (255, 0), (100, 255), (230, 0)])
def test_ink_on_a_transparent_ground_is_seen(mode, rgb, ground):
    image, options = TRANSPARENT[mode](rgb)
    found = decoded(image, **options)
    assert (found[:, :, BAND] == rgb).all()
    assert (found[:, :, : BAND.start] == ground).all()


@pytest.mark.parametrize(("kind", "options"), [("WEBP", {"lossless": True}), ("GIF", {}), ("TIFF", {}), ("AVIF", {})])
@pytest.mark.parametrize(("rgb", "ground"), [(0, 255), (255, 0)])
def test_every_format_with_transparency_is_laid_over_a_ground(kind, options, rgb, ground):
    found = decoded(ink(rgb), kind, **options)
    assert abs(found[:, :, 14:18] - rgb).max() <= 10
    assert abs(found[:, :, :10] - ground).max() <= 10


def test_black_and_white_ink_together_are_laid_over_grey():
    pixels = np.asarray(ink(0)).copy()
    pixels[:16, :, :3] = 255
    found = decoded(Image.fromarray(pixels))
    assert (found[:, :16, BAND] == 255).all()
    assert (found[:, 16:, BAND] == 0).all()
    assert (found[:, :, :12] == 128).all()


def test_half_transparent_ink_is_mixed_with_the_ground():
    found = decoded(ink(0, alpha=128))
    assert abs(found[:, :, BAND] - 127).max() <= 1
    assert (found[:, :, :12] == 255).all()


def test_an_opaque_alpha_channel_changes_nothing():
    rgb = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    rgba = np.dstack([rgb, np.full((32, 32), 255, np.uint8)])
    assert (decoded(Image.fromarray(rgba)) == rgb.transpose(2, 0, 1)).all()


def test_hidden_colours_do_not_leak_when_a_picture_is_resized():
    """Red below the transparent part: none of it on the border of the black stroke."""
    pixels = np.asarray(ink(0).resize((320, 320), Image.Resampling.NEAREST)).copy()
    pixels[pixels[:, :, 3] == 0, :3] = (255, 0, 0)
    red, green, blue = decoded(Image.fromarray(pixels))
    assert (red == green).all()
    assert (red == blue).all()


def test_nothing_to_be_seen_is_refused():
    assert refusal(ink(0, alpha=0)) == "train/1.png: not a readable PNG image (every pixel is transparent)"


@pytest.mark.parametrize(
    ("dtype", "kind", "white"),
    [
        (np.uint16, "PNG", 65535), (np.uint16, "PNG", 4095), (np.uint16, "PNG", 255), (np.uint16, "TIFF", 16383),
        (np.int32, "TIFF", 65535), (np.int32, "TIFF", 1023), (np.int32, "TIFF", 255),
        (np.float32, "TIFF", 1), (np.float32, "TIFF", 255), (np.float32, "TIFF", 65535),
    ],
)  # fmt: skip
def test_deep_grey_is_scaled_by_what_it_holds(dtype, kind, white):
    ramp = np.repeat((np.arange(32) / 31 * white)[None], 32, axis=0).astype(dtype)
    found = decoded(Image.fromarray(ramp), kind)
    assert abs(found - ramp / white * 255).max() <= 1


@pytest.mark.parametrize("value", [-1.0, 1e9, np.nan, np.inf])
def test_samples_without_a_known_white_are_refused(value):
    samples = np.full((32, 32), value, np.float32)
    assert "samples below 0 or above 65535" in refusal(Image.fromarray(samples), "TIFF")


def png_16_bit(samples: np.ndarray) -> bytes:
    """A PNG of 16-bit RGB, which Pillow does not write: UInt16 [32 32 3]."""
    from test_png import png

    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return png(lines, header=(32).to_bytes(4, "big") * 2 + b"\x10\x02\0\0\0")


def test_deep_colours_keep_their_high_byte_or_are_refused():
    samples = np.repeat((LEFT_DARK.astype(np.uint16) * 257)[:, :, None], 3, axis=2)
    assert (decode_image(png_16_bit(samples), "1.png") == LEFT_DARK).all()
    with pytest.raises(InputError, match=r"1\.png: not a readable PNG image \(samples of 16 bits that use 14 or fewer"):
        decode_image(png_16_bit(samples >> 4), "1.png")


def test_one_bit_cmyk_and_palettes_become_rgb():
    bits = Image.fromarray(LEFT_DARK > 127)
    assert (decoded(bits) == (LEFT_DARK > 127) * 255).all()
    assert (decoded(bits, "TIFF") == (LEFT_DARK > 127) * 255).all()
    grey = Image.fromarray(LEFT_DARK)
    assert abs(decoded(grey.convert("RGB").convert("CMYK"), "JPEG") - LEFT_DARK).mean() < 3
    assert (decoded(grey.convert("P")) == LEFT_DARK).all()
