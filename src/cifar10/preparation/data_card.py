"""What is in the data: counts, statistics, duplicates, checksums."""

import hashlib
from collections import Counter
from typing import Any

import numpy as np
from jaxtyping import Int64

from cifar10.data.dataset import UNKNOWN, ImageSet, PreparedData, release_pages
from cifar10.preparation.duplicates import MIN_CORRELATION

MAX_LISTED = 50


def describe(
    data: PreparedData, exact: Int64[np.ndarray, " images"], near: Int64[np.ndarray, " images"]
) -> dict[str, Any]:
    """The data card as plain values; `exact` and `near` are the groups of duplicates in `data.labelled`."""
    known = data.test.labels != UNKNOWN
    return {
        "classes": data.classes,
        "train": _count(data, data.labelled.labels[data.train_rows]),
        "validation": _count(data, data.labelled.labels[data.val_rows]),
        "test": {"images": len(data.test), "labelled": int(known.sum())},
        "channel_mean": [round(value, 6) for value in data.mean],
        "channel_std": [round(value, 6) for value in data.std],
        "exact_duplicates": _duplicates(data, exact),
        "near_duplicates": {"correlation_above": MIN_CORRELATION, **_duplicates(data, near)},
        "sha256": {"labelled": _checksum(data.labelled), "test": _checksum(data.test)},
    }


def _count(data: PreparedData, labels: Int64[np.ndarray, " images"]) -> dict[str, Any]:
    counts = np.bincount(labels, minlength=len(data.classes))
    return {"images": len(labels), "per_class": dict(zip(data.classes, counts.tolist(), strict=True))}


def _duplicates(data: PreparedData, groups: Int64[np.ndarray, " images"]) -> dict[str, Any]:
    """Groups of more than one labelled image, by id, and the labels of those groups whose labels differ."""
    shared = [group for group, size in Counter(groups.tolist()).items() if size > 1]
    rows = [np.flatnonzero(groups == group) for group in sorted(shared)]
    conflicts = [group for group in rows if len(set(data.labelled.labels[group])) > 1]
    return {
        "groups": len(rows),
        "images": sum(len(group) for group in rows),
        "groups_with_different_labels": len(conflicts),
        "ids": [data.labelled.ids[group].tolist() for group in rows[:MAX_LISTED]],
        "different_labels": [
            {str(data.labelled.ids[row]): data.classes[data.labelled.labels[row]] for row in group}
            for group in conflicts
        ],
    }


def _checksum(images: ImageSet) -> str:
    """One sha256 over ids, labels and pixels, in row order."""
    digest = hashlib.sha256(images.ids.tobytes() + images.labels.tobytes())
    for start in range(0, len(images), 4096):
        digest.update(images.images[start : start + 4096].tobytes())
        release_pages(images.images)
    return digest.hexdigest()
