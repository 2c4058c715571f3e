"""What is in the data: counts, statistics, duplicates, checksums."""

import hashlib
from collections import Counter
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from cifar10.dataset import UNKNOWN, ImageSet, PreparedData, release_pages

MAX_LISTED = 50


def duplicate_groups(images: UInt8[np.ndarray, "images 3 32 32"]) -> Int64[np.ndarray, " images"]:
    """A number for each image; images with exactly the same pixels share one."""
    digests = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]
    return np.unique(np.array(digests, dtype="S16").view("V16"), return_inverse=True)[1].reshape(-1)


def describe(data: PreparedData, groups: Int64[np.ndarray, " images"]) -> dict[str, Any]:
    """The data card as plain values; `groups` are the duplicate groups of `data.labelled`."""
    known = data.test.labels != UNKNOWN
    return {
        "classes": data.classes,
        "train": _count(data, data.labelled.labels[data.train_rows]),
        "validation": _count(data, data.labelled.labels[data.val_rows]),
        "test": {"images": len(data.test), "labelled": int(known.sum())},
        "channel_mean": [round(value, 6) for value in data.mean],
        "channel_std": [round(value, 6) for value in data.std],
        "exact_duplicates": _duplicates(data, groups),
        "sha256": {"labelled": _checksum(data.labelled), "test": _checksum(data.test)},
    }


def _count(data: PreparedData, labels: Int64[np.ndarray, " images"]) -> dict[str, Any]:
    counts = np.bincount(labels, minlength=len(data.classes))
    return {"images": len(labels), "per_class": dict(zip(data.classes, counts.tolist(), strict=True))}


def _duplicates(data: PreparedData, groups: Int64[np.ndarray, " images"]) -> dict[str, Any]:
    """Groups of labelled images with the same pixels, by id, and how many of those carry different labels."""
    shared = [group for group, size in Counter(groups.tolist()).items() if size > 1]
    rows = [np.flatnonzero(groups == group) for group in sorted(shared)]
    return {
        "groups": len(rows),
        "images": sum(len(group) for group in rows),
        "groups_with_different_labels": sum(len(set(data.labelled.labels[group])) > 1 for group in rows),
        "ids": [data.labelled.ids[group].tolist() for group in rows[:MAX_LISTED]],
    }


def _checksum(images: ImageSet) -> str:
    """One sha256 over ids, labels and pixels, in row order."""
    digest = hashlib.sha256(images.ids.tobytes() + images.labels.tobytes())
    for start in range(0, len(images), 4096):
        digest.update(images.images[start : start + 4096].tobytes())
        release_pages(images.images)
    return digest.hexdigest()
