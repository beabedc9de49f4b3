"""The result of casting rays on a triangle mesh."""

from __future__ import annotations

from dataclasses import dataclass

from hoibench.clip import Array

MISS = -1
"""Value of ``Hits.face`` for a ray that hits nothing."""


@dataclass(frozen=True, eq=False)
class Hits:
    """The first hit on a triangle mesh of each of M rays.

    Attributes:
        face: (M,) int32 index of the nearest triangle on the ray, or ``MISS``.
        depth: (M,) float32 distance of the hit from the ray's origin, in lengths of the ray's direction vector; infinite without a hit.
        weights: (M, 3) float32 barycentric weights of the triangle's corners at the hit; meaningless without a hit.
    """

    face: Array
    depth: Array
    weights: Array

    @property
    def is_hit(self) -> Array:
        """(M,) bool, true where the ray hits the mesh."""
        is_hit: Array = self.face != MISS
        return is_hit
