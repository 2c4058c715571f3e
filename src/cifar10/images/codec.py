"""Encoded images <-> uint8 arrays. The only module that uses Pillow."""

import io
import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from cifar10.core.config import InputError
from cifar10.images.png import SIZE_PIXELS, check_pixels, decode_plain_pngs, split_chunks

# A file's ending decides the one format it may hold: Pillow by itself would open a GIF named `.png` without a word.
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}

# What a picture that somebody asks about may be; it is found by its content, not by its name.
PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")

# Nothing that is 32 pixels square needs more; it bounds what a hostile archive can make us read.
MAX_ENCODED_BYTES = 1 << 20


def decode_image(data: bytes, name: str) -> UInt8[np.ndarray, "3 32 32"]:
    """Decode one 32x32 PNG or JPEG to RGB, channels first.

    Greyscale and palette images are expanded, an alpha channel is dropped, and 16-bit samples keep their high byte
    (Pillow's own conversion clips 16-bit grey to white).

    Raises:
        InputError: `data` is not a whole image of the format that the ending of `name` promises, or not 32x32.
    """
    ending = name[name.rfind(".") :].lower()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a palette's odd transparency, of animations that are none
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=[FORMATS[ending]]) as image:
                if image.size != (SIZE_PIXELS, SIZE_PIXELS):  # from the header, before any pixel is decoded
                    width, height = image.size
                    raise InputError(f"{name}: the image is {width}x{height}, expected {SIZE_PIXELS}x{SIZE_PIXELS}")
                if image.format == "PNG":
                    check_pixels(split_chunks(data))
                return np.ascontiguousarray(_to_rgb(image).transpose(2, 0, 1))
    except InputError:
        raise
    except Exception as error:  # Pillow's plugins raise SyntaxError, struct.error, zlib.error, OSError and others
        reason = " ".join(str(error).split()) or type(error).__name__
        reason = "wrong format" if "cannot identify" in reason else reason
        raise InputError(f"{name}: not a readable {FORMATS[ending]} image ({reason[:80]})") from None


def decode_images(encoded: Sequence[tuple[str, bytes]]) -> UInt8[np.ndarray, "images 3 32 32"]:
    """Decode `(name, bytes)` pairs: what `decode_image` makes of each, but plain PNGs all at once and without Pillow.

    Raises:
        InputError: of the first image that `decode_image` refuses.
    """
    images = np.empty((len(encoded), 3, SIZE_PIXELS, SIZE_PIXELS), dtype=np.uint8)
    pixels, plain = decode_plain_pngs([data if name.lower().endswith(".png") else b"" for name, data in encoded])
    images[plain] = pixels
    for row in np.flatnonzero(~plain).tolist():
        name, data = encoded[row]
        images[row] = decode_image(data, name)
    return images


def decode_picture(data: bytes, name: str) -> UInt8[np.ndarray, "3 32 32"]:
    """Decode a picture of any size and mode to RGB, upright as its EXIF data says, and shrink it to 32x32.

    The whole picture is kept, so one that is not square is squeezed. A picture that is 32x32 keeps its pixels.

    Raises:
        InputError: `data` is not a whole picture of a format of `PICTURE_FORMATS`, or has more pixels than Pillow
            thinks harmless (90 million).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=PICTURE_FORMATS) as image:
                if image.format == "PNG":
                    split_chunks(data)  # for their checksums
                upright = Image.fromarray(_to_rgb(ImageOps.exif_transpose(image)))
                small = upright.resize((SIZE_PIXELS, SIZE_PIXELS), Image.Resampling.LANCZOS)
                return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"{name}: too many pixels for a picture") from None
    except Exception as error:  # as above
        reason = " ".join(str(error).split()) or type(error).__name__
        reason = "unknown format" if "cannot identify" in reason else reason
        raise InputError(f"{name}: not a readable picture ({reason[:80]})") from None


def _to_rgb(image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
    if image.mode.startswith("I"):  # 16-bit grey: "I;16", or "I" from older encoders
        grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    return np.asarray(image.convert("RGB"))


def encode_png(image: UInt8[np.ndarray, "3 height width"]) -> bytes:
    """Encode one RGB image as PNG; the same pixels always give the same bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(buffer, format="PNG")
    return buffer.getvalue()
