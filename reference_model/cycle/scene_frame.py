"""The scene frame, in which tracks are aligned: world frames differ from one recording date to another, the scene frame does not."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hoibench.geometry import optical_centre

_DEPTH = 0.75
_WEIGHT = 1e-6


class Cameras(NamedTuple):
    """The V cameras of each sample: K (B, V, 3, 3) pixels, R (B, V, 3, 3), t (B, V, 3) metres, of images of size (H, W)."""

    K: Tensor
    R: Tensor
    t: Tensor
    size: tuple[int, int]

    @property
    def intrinsics(self) -> Tensor:
        """(B, V, 2), (fx / W, fy / H), as MJD's scale tokens may see them."""
        height, width = self.size
        focal = self.K.diagonal(dim1=-2, dim2=-1)[..., :2]
        return focal / focal.new_tensor([width, height])

    def normalize(self, pixels: Tensor) -> Tensor:
        """Pixels (..., 2) as DPA takes anchors: ((u + 1/2) / W, (v + 1/2) / H)."""
        height, width = self.size
        return (pixels + 0.5) / pixels.new_tensor([width, height])


class SceneFrame(NamedTuple):
    """A frame built of the cameras alone.

    Attributes:
        centre: (B, 3) metres, world: nearest to the rays through the centres of all images.
        basis: (B, 3, 3), whose rows are the axes of the centre view's camera in the world.
        unit: metres to a unit.
    """

    centre: Tensor
    basis: Tensor
    unit: float

    def from_world(self, points: Tensor) -> Tensor:
        """World points (B, ..., 3) metres in the scene frame, in its units."""
        return _per_sample(points - _along(self.centre, points), self.basis.mT) / self.unit

    def to_world(self, coordinates: Tensor) -> Tensor:
        """The inverse of ``from_world``."""
        return _per_sample(coordinates * self.unit, self.basis) + _along(self.centre, coordinates)


def build_scene_frame(cameras: Cameras, unit: float) -> SceneFrame:
    """Build the scene frame of some cameras.

    Rays go through the centres of the images, which for crops are not the optical axes: a crop's centre is where hands and objects are.  Parallel
    rays, or the one of a single view, meet nowhere; a light pull to 0.75 m along each decides then, and moves no centre of rays that are a few
    degrees apart by a millimetre.

    Args:
        cameras: V views; the middle one gives the axes.
        unit: metres to a unit, fixed for a data set and never taken from a sample.
    """
    height, width = cameras.size
    K, R, t = (each.double() for each in cameras[:3])  # so light a pull is lost in float32
    middle = K.new_tensor([(width - 1) / 2, (height - 1) / 2, 1.0])
    rays = torch.linalg.solve(K, middle.expand(*K.shape[:2], 3))
    d = torch.nn.functional.normalize((R.mT @ rays[..., None])[..., 0], dim=-1)
    origin = optical_centre(R, t)
    across = torch.eye(3).to(d) - d[..., None] * d[..., None, :]
    across_and_light = across + _WEIGHT * torch.eye(3).to(d)
    pulled = (across @ origin[..., None])[..., 0] + _WEIGHT * (origin + _DEPTH * d)
    centre = torch.linalg.solve(across_and_light.sum(1), pulled.sum(1))
    return SceneFrame(centre.to(cameras.t), cameras.R[:, R.shape[1] // 2], unit)


def _per_sample(points: Tensor, matrix: Tensor) -> Tensor:
    with torch.autocast(points.device.type, enabled=False):  # half precision is 1 mm at 0.5 m
        return (points.flatten(1, -2) @ matrix).view_as(points)


def _along(vector: Tensor, like: Tensor) -> Tensor:
    return vector.view(-1, *[1] * (like.ndim - 2), 3)
