"""From a decoded picture of any mode to the RGB pixels that a person sees, and to 32x32 of them."""

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image

# How to turn a picture for each value of EXIF's orientation but 1, which is upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Depths that cameras, scanners and medical devices have; most of them store 10 to 14 bits in samples of 16.
_DEPTHS_BITS = (8, 10, 12, 14, 16)
# What transparent pictures may be laid over. Ink nearer to the ground than this is hard to see.
_GROUNDS = (255, 0, 128)
_MIN_CONTRAST = 64


def rgb_pixels(image: Image.Image, side_pixels: int, depth_bits: int = 8) -> UInt8[np.ndarray, "side side 3"]:
    """The picture as a person sees it, as RGB of `side_pixels` squared.

    It is turned upright as its EXIF data says; samples of more than 8 bits are scaled; transparent pictures are laid
    over a ground on which they can be seen. One of another size is resized with Pillow's antialiased Lanczos filter;
    the whole picture is kept, so one that is not square is squeezed.

    Args:
        image: the picture, as Pillow opened it.
        side_pixels: width and height of the result.
        depth_bits: bits of each sample in the file, of which Pillow keeps the upper 8 where there are several channels.

    Raises:
        ValueError: nothing can be seen: all is transparent, or it is not known which sample is white.
    """
    image.load()
    upright = _turn_upright(image)
    if upright.mode == "F" or upright.mode.startswith("I"):
        upright = _scale_samples(upright)
    elif depth_bits > 8:
        _check_high_bytes(upright)
    shown = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    if shown.size != (side_pixels, side_pixels):  # Pillow weighs transparent pixels by their alpha
        shown = shown.resize((side_pixels, side_pixels), Image.Resampling.LANCZOS)
    return np.asarray(_lay_over_ground(shown) if shown.mode == "RGBA" else shown)


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF data, as every viewer does: the picture as it is stored
        return image
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _scale_samples(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or of floating point -> 8 bits (and alpha, where one value stands for transparent).

    White is the largest value of the smallest usual depth that holds all samples (12 bits hold 4095); of numbers that
    are not whole, 1 is tried first.
    """
    samples = np.asarray(image)
    top = samples.max()
    if not (np.isfinite(samples).all() and samples.min() >= 0 and top < 1 << _DEPTHS_BITS[-1]):
        raise ValueError("samples below 0 or above 65535")
    depth = next(bits for bits in _DEPTHS_BITS if top < 1 << bits)
    if image.mode == "F" and top <= 1:
        grey = np.rint(samples * 255).astype(np.uint8)
    else:
        grey = (samples.astype(np.uint16) >> (depth - 8)).astype(np.uint8)
    scaled = Image.fromarray(grey)
    if "transparency" in image.info:
        scaled.putalpha(Image.fromarray(np.where(samples == image.info["transparency"], 0, 255).astype(np.uint8)))
    return scaled


def _check_high_bytes(image: Image.Image) -> None:
    """Refuse 16-bit colours that Pillow's 8 bits leave all but black, because the samples hold fewer bits than 16."""
    brightest = max(high for _, high in image.convert("RGB").getextrema())  # pyright: ignore[reportGeneralTypeIssues]
    if brightest < _MIN_CONTRAST:
        raise ValueError("samples of 16 bits that use 14 or fewer; save it with 8 bits")


def _lay_over_ground(image: Image.Image) -> Image.Image:
    """An RGBA picture over white; over black, or else grey, where less of it has nearly the ground's own brightness."""
    alpha = np.asarray(image.getchannel("A"))
    visible = np.bincount(np.asarray(image.convert("L")).ravel(), weights=alpha.ravel(), minlength=256)
    if not visible.any():
        raise ValueError("every pixel is transparent")
    distance = {ground: abs(np.arange(256) - ground) for ground in _GROUNDS}
    ground = min(_GROUNDS, key=lambda level: visible[distance[level] < _MIN_CONTRAST].sum())
    return Image.alpha_composite(Image.new("RGBA", image.size, (ground, ground, ground, 255)), image).convert("RGB")
