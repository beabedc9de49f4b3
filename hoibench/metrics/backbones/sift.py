"""SIFT with mutual nearest neighbours and the ratio test: needs no weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from hoibench.clip import Array
from hoibench.metrics.backbones.features import Features, mutual_pairs


@dataclass(frozen=True)
class Sift:
    """OpenCV's SIFT at its own settings, no limit on the number of points; mutual nearest neighbours, ratio 0.8 on both sides."""

    name: str = "sift-mnn"
    ratio: float = 0.8
    weights: Mapping[str, str] = field(default_factory=dict)

    def describe(self, image: Array) -> Features:
        """The features of an (H, W, 3) uint8 image."""
        found, descriptors = cv2.SIFT.create().detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None)
        if not found:  # OpenCV gives None for descriptors then
            return Features(np.empty((0, 2), np.float32), np.empty((0, 128), np.float32))
        return Features(np.array([point.pt for point in found], dtype=np.float32), np.asarray(descriptors))

    def match(self, a: Features, b: Features) -> Array:
        """Pairs of indices, (m, 2) int64."""
        return mutual_pairs(a.descriptors, b.descriptors, ratio=self.ratio)
