"""Images, filters and maps as small pictures that the page carries inside, and which images are worth showing."""

import base64
import io
from collections.abc import Iterable

import matplotlib as mpl
import numpy as np
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, UInt8
from PIL import Image
from torch import Tensor

OVERLAY_SIZE_PIXELS = 128
GLOW = np.array([255, 140, 0])[:, None, None]  # orange
COLD_BRIGHTNESS, HOT_SHARE = 0.3, 0.5  # of the image where the heat is 0; of the glow where it is 1


def to_uri(image: UInt8[np.ndarray, "3 height width"]) -> str:
    """An RGB image as a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def grey_uris(maps: Float[Tensor, "maps height width"], most: int) -> list[str]:
    """The first `most` maps (0..1), from dark to bright."""
    colored = mpl.colormaps["viridis"](maps[:most].numpy())[..., :3]
    return [to_uri((image.transpose(2, 0, 1) * 255).astype(np.uint8)) for image in colored]


def color_uris(filters: Float[Tensor, "filters 3 height width"], most: int) -> list[str]:
    """The first `most` filters (0..1) as RGB."""
    return [to_uri((values.numpy() * 255).astype(np.uint8)) for values in filters[:most]]


def overlay_uri(image: UInt8[Tensor, "3 32 32"], heat: Float[Tensor, "32 32"]) -> str:
    """An image enlarged, dark where the heat (0..1) is low and glowing where it is high."""
    size = (OVERLAY_SIZE_PIXELS, OVERLAY_SIZE_PIXELS)
    large = F.interpolate(image[None].float(), size, mode="bicubic").clamp(0, 255)[0].numpy()
    warm = F.interpolate(heat[None, None].cpu(), size, mode="bicubic").clamp(0, 1)[0, 0].numpy()
    seen = large * (COLD_BRIGHTNESS + (1 - COLD_BRIGHTNESS) * warm)
    share = HOT_SHARE * warm
    return to_uri(((1 - share) * seen + share * GLOW).astype(np.uint8))


def evenly_spaced(count: int, most: int) -> list[int]:
    """At most `most` row numbers out of `count`, evenly spaced."""
    return sorted({row * count // most for row in range(most)}) if count > most else list(range(count))


def most_confident(confidence: Float[Tensor, " images"], chosen: Bool[Tensor, " images"], most: int) -> list[int]:
    """Rows of the chosen images, the most confident first."""
    order = confidence.argsort(descending=True, stable=True)
    return order[chosen[order]][:most].tolist()


def rows_by_class(
    labels: Int64[np.ndarray, " images"], num_classes: int, most: int
) -> Iterable[Int64[np.ndarray, " rows"]]:
    """For each class the rows of its first `most` images."""
    return (np.flatnonzero(labels == k)[:most] for k in range(num_classes))
