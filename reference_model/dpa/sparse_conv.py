"""Submanifold sparse convolution: 3 x 3 x 3 kernels whose inputs and outputs are occupied voxels only (Graham and others, 2018).

It runs on spconv if installed, else in plain torch; both use the same weights in spconv's layout, and tests compare them.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.util import find_spec
from itertools import product
from typing import Any, Literal

import torch
from torch import Tensor, nn

Backend = Literal["auto", "spconv", "torch"]

_BORDER = 2
"""Empty voxels along each axis, so that the key of a neighbour never is the key of a voxel in another row."""

_PAIRS = "neighbours"


@dataclass(frozen=True, eq=False)
class VoxelMap:
    """The occupied voxels of several point clouds; each backend finds the neighbours of the voxels once, for all layers.

    Attributes:
        coordinates: (X, 4) int32, the cloud's number and x, y, z of each voxel, sorted.
        point_voxel: (P,) int64, index in ``voxels`` of the voxel of each point.
        side: number of voxels of the grid along each axis.
        clouds: number of clouds.
        pairs: spconv's table of neighbours; empty until its first layer has run.
    """

    coordinates: Tensor
    point_voxel: Tensor
    side: int
    clouds: int
    pairs: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def neighbours(self) -> Tensor:
        """Index of each voxel's neighbour at each of the kernel's 27 offsets, -1 if it is empty: (27, X) int64, offsets in the weights' order."""
        keys = _keys(self.coordinates[:, 0].long(), self.coordinates[:, 1:].long(), self.side)
        offsets = torch.tensor(list(product((-1, 0, 1), repeat=3)), device=keys.device)
        wanted = keys + (offsets * _steps(self.side, keys.device)).sum(-1)[:, None]
        if not len(keys):
            return wanted
        at = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
        return torch.where(keys[at] == wanted, at, -1)


def build_voxel_map(cloud: Tensor, grid: Tensor, side: int, clouds: int) -> VoxelMap:
    """Return the occupied voxels of P points.

    Args:
        cloud: (P,) int64, number of each point's cloud.
        grid: (P, 3) int64, voxel of each point, within [0, side).
        side: number of voxels of the grid along each axis.
        clouds: number of clouds.
    """
    span = side + _BORDER
    keys, point_voxel = torch.unique(_keys(cloud, grid, side), return_inverse=True)
    inner = keys % span**3
    places = torch.stack([keys // span**3, inner // span**2 - 1, inner // span % span - 1, inner % span - 1], dim=-1)
    return VoxelMap(places.int(), point_voxel, side, clouds)


def _keys(cloud: Tensor, grid: Tensor, side: int) -> Tensor:
    """Return one int64 key per voxel, given its cloud (X,) and position (X, 3); keys sort by cloud, then x, y and z."""
    return cloud * (side + _BORDER) ** 3 + ((grid + 1) * _steps(side, grid.device)).sum(-1)


def _steps(side: int, device: torch.device) -> Tensor:
    """Return the differences (3,) between the keys of voxels that are neighbours along x, y and z."""
    span = side + _BORDER
    return torch.tensor([span * span, span, 1], device=device)


class SubmanifoldConv(nn.Module):
    """A convolution of point features: average the points of each voxel, convolve the voxels, and give each point its voxel's result.

    Args:
        channels: C, of input and output.
        backend: ``spconv``, ``torch``, or ``auto`` for spconv if it is installed, else torch.
    """

    def __init__(self, channels: int, backend: Backend = "auto") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, 3, 3, 3, channels) / (27 * channels) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.backend = ("spconv" if find_spec("spconv") else "torch") if backend == "auto" else backend

    def forward(self, x: Tensor, voxels: VoxelMap) -> Tensor:
        """Convolve the features (P, C) of points in the given voxels, and return (P, C), always in float32."""
        count = len(voxels.coordinates)
        convolve = convolve_spconv if self.backend == "spconv" else convolve_torch
        with torch.autocast(
            x.device.type, enabled=False
        ):  # spconv has no bfloat16, and would turn to float16 by itself
            x = x.float()
            occupancy = torch.bincount(voxels.point_voxel, minlength=count).to(x.dtype)[:, None]
            features = x.new_zeros(count, x.shape[1]).index_add(0, voxels.point_voxel, x) / occupancy
            return convolve(features, self.weight.float(), self.bias.float(), voxels)[voxels.point_voxel]


def convolve_torch(features: Tensor, weight: Tensor, bias: Tensor, voxels: VoxelMap) -> Tensor:
    """Convolve the features (X, C) of voxels in plain torch, and return (X, C).

    It adds one of the kernel's 27 offsets at a time: an output has at most one neighbour per offset, so sums need no atomics and are deterministic.
    """
    out = bias.expand(len(features), -1)
    for tap, neighbour in zip(weight.flatten(1, 3).unbind(1), voxels.neighbours, strict=True):
        (hit,) = (neighbour >= 0).nonzero(as_tuple=True)
        out = out.index_add(0, hit, features[neighbour[hit]] @ tap.mT)
    return out


def convolve_spconv(features: Tensor, weight: Tensor, bias: Tensor, voxels: VoxelMap) -> Tensor:
    """Convolve the features (X, C) of voxels with spconv, and return (X, C); on the CPU only its native algorithm runs."""
    if not len(features):  # spconv rejects it, and weights without a gradient would stop distributed training
        return convolve_torch(features, weight, bias, voxels)
    tensor = _spconv().SparseConvTensor(
        features, voxels.coordinates.contiguous(), 3 * [voxels.side], voxels.clouds, indice_dict=voxels.pairs
    )
    layer = _spconv_layer(features.shape[1], weight.device.type)
    convolved = torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (tensor,))
    voxels.pairs.update(convolved.indice_dict)
    return convolved.features


@cache
def _spconv_layer(channels: int, device: str) -> Any:
    """Return spconv's layer for a number of channels, without weights (on the meta device): these are passed in each call."""
    algorithm = None if device == "cuda" else _spconv().ConvAlgo.Native
    with torch.device("meta"):
        return _spconv().SubMConv3d(channels, channels, 3, algo=algorithm, indice_key=_PAIRS)


@cache
def _spconv() -> Any:
    """Import and return ``spconv.pytorch``, without its warnings about outdated PyTorch functions, which users cannot fix."""
    logging.getLogger("torch.fx._symbolic_trace").addFilter(_is_not_about_tracing)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.cuda\.amp\.custom_", FutureWarning)
        import spconv.pytorch
    return spconv.pytorch


def _is_not_about_tracing(record: logging.LogRecord) -> bool:
    """Return False for the message that PyTorch logs when spconv calls is_fx_tracing(), so that a log filter drops it."""
    return not record.getMessage().startswith("is_fx_tracing will return true")
