"""Labelled images that are the same picture: equal pixels, or nearly so."""

import hashlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from cifar10.data.dataset import release_pages

MIN_CORRELATION = 0.98
"""Two images whose pixels correlate above this are near-duplicates: one picture, but for brightness, contrast, noise or
compression."""

BLOCK_PIXELS = 4  # side of the squares whose means make an image's sketch
ROUNDING = 1e-4  # more than what a float32 product of two sketches can be off
ROWS_AT_ONCE = 256  # sketches compared with all others: 50 MB of products for 50,000 images
PAIRS_AT_ONCE = 2048

Images = UInt8[np.ndarray, "images 3 32 32"]
Groups = Int64[np.ndarray, " images"]
Pairs = Int64[np.ndarray, "pairs 2"]


def exact_groups(images: Images) -> Groups:
    """A number for each image; images with exactly the same pixels share one."""
    digests = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]
    return np.unique(np.array(digests, dtype="S16").view("V16"), return_inverse=True)[1].reshape(-1)


def near_groups(images: Images, exact: Groups) -> Groups:
    """`exact`, with the groups united that near-duplicates connect; a group keeps the smallest of its numbers.

    Two images may so share a group without being alike, as the ends of a chain.
    """
    groups = exact.copy()
    first_rows = np.unique(exact, return_index=True)[1]
    for candidates in candidate_pairs(sketches(images, first_rows)):
        pairs = first_rows[candidates]
        while len(pairs):
            now, pairs = pairs[:PAIRS_AT_ONCE], pairs[PAIRS_AT_ONCE:]
            for pair in now[correlations(images, now) > MIN_CORRELATION]:
                low, high = sorted(groups[pair])
                groups[groups == high] = low
            pairs = pairs[groups[pairs[:, 0]] != groups[pairs[:, 1]]]  # thousands of equal frames are soon one group
    release_pages(images)
    return groups


def sketches(images: Images, rows: Int64[np.ndarray, " rows"]) -> Float32[np.ndarray, "rows sketch"]:
    """Vectors of length 1 whose products are no smaller than the correlations of the images.

    An image, less its mean and scaled to length 1, is the sum of its block means and of what they leave. The sketch
    holds the block means, which are its coordinates in an orthonormal basis of the coarse images, and the length of the
    remainder: by Cauchy and Schwarz, two remainders cannot add more to a correlation than the product of their lengths.
    An image of one colour has no correlation and a sketch of zeros.
    """
    blocks = 32 // BLOCK_PIXELS
    parts: list[np.ndarray] = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        pixels = images[rows[start : start + ROWS_AT_ONCE]].astype(np.float64)  # whose sums are exact
        sums = pixels.reshape(-1, 3, blocks, BLOCK_PIXELS, blocks, BLOCK_PIXELS).sum(axis=(3, 5))
        sums = sums.reshape(len(pixels), -1)
        coarse = (sums - sums.mean(axis=1, keepdims=True)) / BLOCK_PIXELS
        remainder = np.einsum("ichw,ichw->i", pixels, pixels) - (sums**2).sum(axis=1) / BLOCK_PIXELS**2
        length = np.sqrt((coarse**2).sum(axis=1) + remainder)
        vectors = np.column_stack([coarse, np.sqrt(remainder)]) / np.where(length > 0, length, np.inf)[:, None]
        parts.append(vectors.astype(np.float32))
        release_pages(images)
    return np.concatenate(parts)


def candidate_pairs(vectors: Float32[np.ndarray, "images sketch"]) -> Iterator[Pairs]:
    """All pairs of rows (the smaller first) that may correlate above MIN_CORRELATION, and some more."""
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        products = vectors[start : start + ROWS_AT_ONCE] @ vectors[start:].T
        found = np.flatnonzero(products > MIN_CORRELATION - ROUNDING)
        pairs = np.stack(np.divmod(found, products.shape[1]), axis=1)
        yield start + pairs[pairs[:, 0] < pairs[:, 1]]


def correlations(images: Images, pairs: Pairs) -> Float64[np.ndarray, " pairs"]:
    """Pearson's correlation of the pixels of each pair; 0 where an image has one colour only.

    Every sum is a whole number below 2**53, so it is exact in float64 in whatever order a machine adds.
    """
    first, second = (images[pairs[:, side]].reshape(len(pairs), -1).astype(np.float64) for side in (0, 1))

    def covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a.shape[1] * np.einsum("ip,ip->i", a, b) - a.sum(axis=1) * b.sum(axis=1)

    scale = np.sqrt(covariance(first, first)) * np.sqrt(covariance(second, second))
    return covariance(first, second) / np.where(scale > 0, scale, np.inf)
