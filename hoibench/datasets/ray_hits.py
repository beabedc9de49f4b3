"""Hits of rays on a mesh."""

from __future__ import annotations

from dataclasses import dataclass

from hoibench.clip import Array

MISS = -1
"""Face index of a ray without a hit."""


@dataclass(frozen=True, eq=False)
class Hits:
    """The first hits of M rays on a mesh.

    Attributes:
        face: (M,) int32 index of the triangle, or ``MISS``.
        depth: (M,) float32 in units of the direction's length; infinite without a hit.
        weights: (M, 3) float32 barycentric weights of the triangle's corners.
    """

    face: Array
    depth: Array
    weights: Array

    @property
    def is_hit(self) -> Array:
        """(M,) bool, true where the ray hits the mesh."""
        is_hit: Array = self.face != MISS
        return is_hit
