"""Encoded images <-> uint8 arrays: one decoder for the competition's images and for pictures that people ask about."""

import io
import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from cifar10.core.config import InputError
from cifar10.images.pixels import rgb_pixels
from cifar10.images.png import SIZE_PIXELS, check_png, decode_plain_pngs

# The endings of images that are read, and what each promises.
FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
KNOWN_FORMATS = tuple(dict.fromkeys(FORMATS.values()))

MAX_ENCODED_BYTES = 1 << 24
"""Larger files are not read as images; it bounds what a hostile archive can make us hold."""
MAX_MEGAPIXELS = 134
"""More than a camera has, and half a gigabyte once decoded. Counted after a JPEG was shrunk while decoding."""
MAX_JPEG_MEGAPIXELS = 4 * MAX_MEGAPIXELS

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit knows nothing of shrinking; `_check_header` has ours


def decode_image(data: bytes, name: str, resize: bool = False) -> UInt8[np.ndarray, "3 32 32"]:
    """Decode one image of the competition to RGB, channels first, as a person sees it (see `pixels.rgb_pixels`).

    Args:
        data: the file.
        name: it ends as the format asks for; Pillow by itself would open a GIF named `.png` without a word.
        resize: whether other sizes than 32x32 are resized, and not refused.

    Raises:
        InputError: `data` is not one whole image of the format that the ending of `name` promises, or not 32x32.
    """
    kind = FORMATS[name[name.rfind(".") :].lower()]
    try:
        return _decode(data, (kind,), resize)
    except UnidentifiedImageError:
        found = _find_format(data)
        hint = f"wrong format: {found}; its ending has to say so" if found else "wrong format"
        raise InputError(f"{name}: not a readable {kind} image ({hint})") from None
    except _SizeError as error:
        raise InputError(f"{name}: {error}") from None
    except Exception as error:  # Pillow's plugins raise SyntaxError, struct.error, zlib.error, OSError and others
        raise InputError(f"{name}: not a readable {kind} image ({_reason(error)})") from None


def decode_picture(data: bytes, name: str) -> UInt8[np.ndarray, "3 32 32"]:
    """Decode a picture of any size and of any format of `KNOWN_FORMATS`, whatever its name: else as `decode_image`.

    Raises:
        InputError: `data` is not one whole picture, or has too many pixels.
    """
    try:
        return _decode(data, KNOWN_FORMATS, resize=True)
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a readable picture (known formats: {', '.join(KNOWN_FORMATS)})") from None
    except _SizeError as error:
        raise InputError(f"{name}: {error}") from None
    except Exception as error:  # as above
        raise InputError(f"{name}: not a readable picture ({_reason(error)})") from None


def decode_images(encoded: Sequence[tuple[str, bytes]], resize: bool = False) -> UInt8[np.ndarray, "images 3 32 32"]:
    """Decode `(name, bytes)` pairs: what `decode_image` makes of each, but plain PNGs all at once and without Pillow.

    Raises:
        InputError: of the first image that `decode_image` refuses.
    """
    images = np.empty((len(encoded), 3, SIZE_PIXELS, SIZE_PIXELS), dtype=np.uint8)
    pixels, plain = decode_plain_pngs([data if name.lower().endswith(".png") else b"" for name, data in encoded])
    images[plain] = pixels
    for row in np.flatnonzero(~plain).tolist():
        name, data = encoded[row]
        images[row] = decode_image(data, name, resize)
    return images


def encode_png(image: UInt8[np.ndarray, "3 height width"]) -> bytes:
    """Encode one RGB image as PNG; the same pixels always give the same bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(buffer, format="PNG")
    return buffer.getvalue()


class _SizeError(ValueError):
    """The image has a size that is not read."""


def _decode(data: bytes, formats: tuple[str, ...], resize: bool) -> UInt8[np.ndarray, "3 32 32"]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a palette's odd transparency, of animations that are none
        with Image.open(io.BytesIO(data), formats=formats) as image:
            # --- what the header says, before any pixel is decoded ---
            if image.size != (SIZE_PIXELS, SIZE_PIXELS) and not resize:
                hint = "`data.resize: true` in params.yaml resizes images"
                raise _SizeError(f"the image is {_size(image)}, expected {SIZE_PIXELS}x{SIZE_PIXELS}; {hint}")
            if image.format == "JPEG" and _megapixels(image) <= MAX_JPEG_MEGAPIXELS:
                image.draft(None, (4 * SIZE_PIXELS, 4 * SIZE_PIXELS))  # no less: most of the work is left to the filter
            if _megapixels(image) > MAX_MEGAPIXELS:
                most = f"{MAX_MEGAPIXELS} megapixels are read, {MAX_JPEG_MEGAPIXELS} of a JPEG"
                raise _SizeError(f"{_size(image)} is too large a picture: at most {most}")
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":  # what many phones write: a JPEG, and a small one behind it
                raise ValueError(f"{frames} frames or pages; one is expected")

            # --- the pixels ---
            if image.format == "PNG":
                check_png(data)
            pixels = rgb_pixels(image, SIZE_PIXELS, _depth_bits(image, data))
            return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _find_format(data: bytes) -> str | None:
    try:
        with Image.open(io.BytesIO(data), formats=KNOWN_FORMATS) as image:
            return image.format
    except Exception:  # whatever it is, it is no image
        return None


def _depth_bits(image: Image.Image, data: bytes) -> int:
    """Bits of one sample, where the format can have more than 8."""
    if image.format == "PNG":
        return data[24]  # in the header, which is the first chunk
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (8,)))  # pyright: ignore[reportAttributeAccessIssue] (BitsPerSample)
    return 8


def _megapixels(image: Image.Image) -> float:
    return image.width * image.height / 1e6


def _size(image: Image.Image) -> str:
    return f"{image.width}x{image.height}"


def _reason(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:80]
