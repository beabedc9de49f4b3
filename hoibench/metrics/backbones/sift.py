"""The sift-mnn matcher: SIFT, mutual nearest neighbours and the ratio test; needs no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from hoibench.clip import Array
from hoibench.metrics.backbones.features import Features, mutual_pairs
from hoibench.metrics.epipolar import DEFAULT_MAGSAC, Magsac


@dataclass(frozen=True)
class Sift:
    """A ``Matcher`` on OpenCV's SIFT (default settings, any number of points): mutual nearest neighbours, ratio test at 0.8 from both sides."""

    name: str = "sift-mnn"
    ratio: float = 0.8
    magsac: Magsac = DEFAULT_MAGSAC
    weights: Mapping[str, str] = field(default_factory=dict)

    def describe(self, images: Sequence[Array]) -> list[Features]:
        """Return the points of (H, W, 3) uint8 images and their descriptors."""
        return [_describe(image) for image in images]

    def match(self, pairs: Sequence[tuple[Features, Features]]) -> list[Array]:
        """Return the matches of each pair of images as pairs of point indices, (m, 2) int64, sorted by the first."""
        return [mutual_pairs(a.descriptors, b.descriptors, ratio=self.ratio) for a, b in pairs]


def _describe(image: Array) -> Features:
    size = image.shape[0], image.shape[1]
    keypoints, descriptors = cv2.SIFT.create().detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None)
    if not keypoints:  # then OpenCV returns None for the descriptors
        return Features(np.empty((0, 2), np.float32), np.empty((0, 128), np.float32), size)
    return Features(np.array([point.pt for point in keypoints], dtype=np.float32), np.asarray(descriptors), size)
