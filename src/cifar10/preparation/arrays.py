"""Archives of encoded images into arrays on disk, each image decoded once."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from tqdm import tqdm

from cifar10.core.config import InputError
from cifar10.core.files import reserve
from cifar10.data.dataset import ImageSet, release_pages
from cifar10.images.archives import ImageArchive, Member
from cifar10.images.codec import SIZE_PIXELS, decode_images
from cifar10.images.origins import Origins

BATCH_SIZE = 500  # images decoded at once: enough for numpy, and their pixels still fit into the cache


def create_images(path: Path, count: int) -> UInt8[np.ndarray, "images 3 32 32"]:
    """A file of black images, mapped into memory."""
    shape = (count, 3, SIZE_PIXELS, SIZE_PIXELS)
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    reserve(path)
    return images


def save_array(path: Path, array: Int64[np.ndarray, " images"]) -> None:
    """Write an array; numpy itself does not say of a write that failed that the disk was full."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    path.write_bytes(buffer.getvalue())


def decode_archive(
    archive: ImageArchive,
    members: Iterator[tuple[Member, bytes]],
    out: ImageSet,
    target: Path,
    resize: bool,
    origins: Origins,
) -> None:
    """Decode an archive into the images of `out`, rows sorted by id; write `<target>_labels.npy` and `_ids.npy`."""
    with tqdm(total=len(out), desc=f"prepare: {archive.path.name}", unit=" images", disable=None) as bar:
        for batch in _batches(members):
            rows = np.searchsorted(out.ids, [member.id for member, _ in batch])
            named = [(origins.image(archive.path, member), data) for member, data in batch]
            out.images[rows] = decode_images(named, resize)
            release_pages(out.images)
            bar.update(len(batch))
    save_array(Path(f"{target}_labels.npy"), out.labels)
    save_array(Path(f"{target}_ids.npy"), out.ids)


def _batches(members: Iterator[tuple[Member, bytes]]) -> Iterator[list[tuple[Member, bytes]]]:
    """Members in lists of BATCH_SIZE; of a damaged archive all that comes before the damage, then its error.

    So whatever is wrong, what the user reads is the first thing in the archive's order.
    """
    batch: list[tuple[Member, bytes]] = []
    damage = None
    try:
        for member in members:
            batch.append(member)
            if len(batch) == BATCH_SIZE:
                yield batch
                batch = []
    except InputError as error:
        damage = error
    if batch:
        yield batch
    if damage:
        raise damage
