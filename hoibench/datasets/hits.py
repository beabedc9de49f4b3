"""Hits of rays on a mesh."""

from __future__ import annotations

from dataclasses import dataclass

from hoibench.clip import Array

MISS = -1
"""The triangle of a ray that meets none."""


@dataclass(frozen=True, eq=False)
class Hits:
    """The first hits of M rays on a mesh.

    Attributes:
        face: (M,) int32, the triangle's index, or -1 where a ray meets none.
        depth: (M,) float32, in lengths of the ray's direction; infinite where a ray meets none.
        weights: (M, 3) float32 barycentric weights of the triangle's corners.
    """

    face: Array
    depth: Array
    weights: Array

    @property
    def is_hit(self) -> Array:
        """(M,) bool, whether the ray meets the mesh."""
        is_hit: Array = self.face != MISS
        return is_hit
