"""The scene frame, the coordinate frame of the model's tracks: it depends on the cameras only, while world frames differ between recordings."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hoibench.geometry import optical_centre

_PRIOR_WEIGHT = 1e-6
"""Weight of the expected distance from a camera to the centre of the scene, relative to the weight 1 of the distance to a ray."""


class Cameras(NamedTuple):
    """The V cameras of each of B samples: K (B, V, 3, 3) pixels; R (B, V, 3, 3) and t (B, V, 3) metres, world to camera; image size (H, W)."""

    K: Tensor
    R: Tensor
    t: Tensor
    size: tuple[int, int]

    @property
    def intrinsics(self) -> Tensor:
        """Focal lengths relative to the image size, (fx / W, fy / H): (B, V, 2)."""
        height, width = self.size
        focal = self.K.diagonal(dim1=-2, dim2=-1)[..., :2]
        return focal / focal.new_tensor([width, height])

    def normalize(self, pixels: Tensor) -> Tensor:
        """Return pixels (u, v) (..., 2) relative to the image size, ((u + 1/2) / W, (v + 1/2) / H)."""
        height, width = self.size
        return (pixels + 0.5) / pixels.new_tensor([width, height])


class SceneFrame(NamedTuple):
    """The coordinate frame of the model's tracks, one per sample, which depends on the cameras only.

    Attributes:
        centre: (B, 3) its origin: world coordinates, in metres, of the point nearest to the rays through the centres of all images.
        basis: (B, 3, 3), its axes as rows: those of the middle view's camera, in the world.
        unit: metres per unit of its coordinates.
    """

    centre: Tensor
    basis: Tensor
    unit: float

    def from_world(self, points: Tensor) -> Tensor:
        """Return world points (B, ..., 3), given in metres, in the scene frame and its units."""
        return _transform(points - _broadcast(self.centre, points), self.basis.mT) / self.unit

    def to_world(self, coordinates: Tensor) -> Tensor:
        """Return points (B, ..., 3) of the scene frame in world coordinates, in metres: the inverse of ``from_world``."""
        return _transform(coordinates * self.unit, self.basis) + _broadcast(self.centre, coordinates)


def build_scene_frame(cameras: Cameras, unit: float, prior_depth: float) -> SceneFrame:
    """Build the scene frame of each sample: its origin is the point nearest to the rays of all views, its axes are the middle camera's.

    Rays go through the centres of the images, which for crops are not the optical axes: hands and objects are in the centre of a crop.  Parallel
    rays, or a single one, do not intersect; a small prior for ``prior_depth`` along each ray then decides.  It moves the centre by less than a
    millimetre if rays differ by a few degrees.

    Args:
        cameras: the cameras of V views; the one with index V // 2 gives the axes.
        unit: metres per unit of the frame's coordinates, fixed for a data set and independent of the sample.
        prior_depth: expected distance in metres from a camera to the centre of the scene, along its ray.
    """
    height, width = cameras.size
    K, R, t = (each.double() for each in cameras[:3])  # the prior's weight is below float32 precision
    middle = K.new_tensor([(width - 1) / 2, (height - 1) / 2, 1.0])
    rays = torch.linalg.solve(K, middle.expand(*K.shape[:2], 3))
    d = torch.nn.functional.normalize((R.mT @ rays[..., None])[..., 0], dim=-1)
    origin = optical_centre(R, t)
    projection = torch.eye(3).to(d) - d[..., None] * d[..., None, :]
    normal_matrix = projection + _PRIOR_WEIGHT * torch.eye(3).to(d)
    target = (projection @ origin[..., None])[..., 0] + _PRIOR_WEIGHT * (origin + prior_depth * d)
    centre = torch.linalg.solve(normal_matrix.sum(1), target.sum(1))
    return SceneFrame(centre.to(cameras.t), cameras.R[:, R.shape[1] // 2], unit)


def _transform(points: Tensor, matrix: Tensor) -> Tensor:
    with torch.autocast(points.device.type, enabled=False):  # half precision resolves 1 mm at 0.5 m
        return (points.flatten(1, -2) @ matrix).view_as(points)


def _broadcast(vector: Tensor, like: Tensor) -> Tensor:
    return vector.view(-1, *[1] * (like.ndim - 2), 3)
