"""The linear autoencoder of small models: the principal components of blocks of pixels, fitted to clips; one for videos, one for pseudo-videos.

    model = fit_linear_autoencoders(pairs_of_videos, channels=48, stride=(4, 8, 8))
    z = model.video.encode(video)  # (25, 128, 192, 3) -> (48, 7, 16, 24)

Frame 0 is divided into blocks of 8 x 8 pixels, which have 192 numbers, and the later frames into blocks of 4 x 8 x 8, which have 768.  A latent
pixel is z = B (x - m) / scale for the block x, with the mean m and an orthonormal basis B (C, 192 or 768) of its kind of block.  ``scale`` is one
number for all channels, blocks and frames: the squared error of a decoded block that is due to an error dz of its latents is scale^2 |dz|^2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor, nn

from reference_model.loading.encoder_input import check_encoder_input

COLOURS = 3


class LinearAutoencoder(nn.Module):
    """A linear encoder and decoder, which map between a video and its latents; an ``Autoencoder``, see ``reference_model.cycle.track_codec``.

    Args:
        channels: C, channels of the latents, at most the numbers of a block of frame 0.
        stride: (r_n, r_h, r_w), frames and pixels of a block.
    """

    def __init__(self, channels: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        r_n, r_h, r_w = self.stride = stride
        numbers = COLOURS * r_h * r_w
        if not 1 <= channels <= numbers:
            raise ValueError(
                f"channels is {channels}: expected 1 to {numbers}, the numbers of a block of {r_h} x {r_w} pixels"
            )
        self.first_mean, self.first_basis = _frozen(numbers), _frozen(channels, numbers)
        self.later_mean, self.later_basis = _frozen(r_n * numbers), _frozen(channels, r_n * numbers)
        self.scale = _frozen()

    @torch.no_grad()
    def encode(self, video: Tensor | NDArray[np.float32]) -> Tensor:
        """Encode a video (N, H, W, 3) in [0, 1] to latents (C, n, h, w) float32, with n = 1 + (N - 1) / r_n.

        Latent frame 0 depends on the first image only, and equals the image's latents bit for bit.  Rounding errors beyond 0 or 1 are clipped.

        Raises:
            ValueError: values are not in [0, 1], or the number of frames is not r_n (n - 1) + 1.
        """
        video = check_encoder_input(video, self.stride[0], self.scale.device)
        with torch.autocast(video.device.type, enabled=False):
            return self.project(video)

    def decode(self, z: Tensor) -> Tensor:
        """Decode latents (C, n, h, w) to a video (N, H, W, 3) float32, with N = 1 + r_n (n - 1); differentiable.

        Values are not clipped to [0, 1]; latents of a video give values slightly beyond.
        """
        with torch.autocast(z.device.type, enabled=False):
            return self.reconstruct(z.float())

    def project(self, video: Tensor) -> Tensor:
        """Return the latents of a float32 video, as ``encode`` does, without checking the video."""
        first, later = split_blocks(video, self.stride)
        z = [(first - self.first_mean) @ self.first_basis.mT, (later - self.later_mean) @ self.later_basis.mT]
        return torch.cat(z).movedim(-1, 0) / self.scale

    def reconstruct(self, z: Tensor) -> Tensor:
        """Return the video of float32 latents, as ``decode`` does."""
        r_n, r_h, r_w = self.stride
        x = z.movedim(0, -1) * self.scale
        first, later = x[:1] @ self.first_basis + self.first_mean, x[1:] @ self.later_basis + self.later_mean
        frames = [
            rearrange(blocks, "n h w (a b c rgb) -> (n a) (h b) (w c) rgb", a=a, b=r_h, c=r_w)
            for blocks, a in ((first, 1), (later, r_n))
        ]
        return torch.cat(frames)


class LinearAutoencoders(ModelMixin, ConfigMixin):
    """The linear autoencoders of videos and of motion pseudo-videos, ``video`` and ``motion``, as one model of diffusers.

    Args:
        channels: C, channels of the latents.
        stride: (r_n, r_h, r_w), frames and pixels of a block.
    """

    @register_to_config
    def __init__(self, channels: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.video = LinearAutoencoder(channels, tuple(stride))
        self.motion = LinearAutoencoder(channels, tuple(stride))


def split_blocks(video: Tensor, stride: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Divide a video (N, H, W, 3) into blocks: (1, h, w, D) of frame 0, and (n - 1, h, w, r_n D) of the later frames, for D = 3 r_h r_w numbers."""
    r_n, r_h, r_w = stride
    first, later = (
        rearrange(frames, "(n a) (h b) (w c) rgb -> n h w (a b c rgb)", a=a, b=r_h, c=r_w)
        for frames, a in ((video[:1], 1), (video[1:], r_n))
    )
    return first, later


def fit_linear_autoencoders(
    pairs: Iterable[tuple[Tensor, Tensor]], channels: int, stride: tuple[int, int, int]
) -> LinearAutoencoders:
    """Fit the autoencoders to videos and their motion pseudo-videos, (N, H, W, 3) float32 each, which are read one by one.

    Means and covariances are summed in float64.  Each basis has the C principal components of its kind of block, those of later frames in the order
    of falling variance, with the largest number in each positive.  The basis of frame 0 is rotated, within what it spans, towards the mean over time
    of the other one: channel k then shows the same pattern in all latent frames as far as nothing moves.  ``scale`` makes the mean square of the
    latents of these videos, over all channels, blocks and frames, 1.

    Raises:
        ValueError: there is no pair, or the videos are black.
    """
    model = LinearAutoencoders(channels, stride)
    moments = [(_Moments(len(model.video.first_mean)), _Moments(len(model.video.later_mean))) for _ in range(2)]
    for pair in pairs:
        for video, (first, later) in zip(pair, moments, strict=True):
            for kind, blocks in zip((first, later), split_blocks(video, stride), strict=True):
                kind.add(blocks)
    for autoencoder, (first, later) in zip((model.video, model.motion), moments, strict=True):
        _set_weights(autoencoder, first, later)
    return model


class _Moments:
    """The number of some blocks, and the sums of their numbers and of the products of these, in float64."""

    def __init__(self, numbers: int) -> None:
        self.count = 0
        self.sum = np.zeros(numbers)
        self.products = np.zeros((numbers, numbers))

    def add(self, blocks: Tensor) -> None:
        """Add blocks, whose last axis has their numbers."""
        x = blocks.flatten(0, -2).double().numpy()
        self.count += len(x)
        self.sum += x.sum(axis=0)
        self.products += x.T @ x  # numpy computes one half of it, by BLAS's syrk

    def components(self, channels: int) -> _Components:
        """Return the mean of the blocks and their first principal components."""
        if not self.count:
            raise ValueError("no clip was given to fit the linear autoencoder to")
        mean = self.sum / self.count
        variances, basis = np.linalg.eigh(self.products / self.count - np.outer(mean, mean))
        variances, basis = variances[::-1][:channels], basis.T[::-1][:channels]
        largest = np.take_along_axis(basis, np.abs(basis).argmax(axis=1, keepdims=True), axis=1)
        return _Components(self.count, mean, basis * np.sign(largest), variances.clip(0))


class _Components(NamedTuple):
    """The mean of ``count`` blocks, and their principal components, the rows of ``basis``, with their variances."""

    count: int
    mean: NDArray[np.float64]
    basis: NDArray[np.float64]
    variances: NDArray[np.float64]


def _set_weights(autoencoder: LinearAutoencoder, first_moments: _Moments, later_moments: _Moments) -> None:
    channels = len(autoencoder.first_basis)
    first, later = (each.components(channels) for each in (first_moments, later_moments))
    blocks = first.count + later.count
    square = (first.count * first.variances.sum() + later.count * later.variances.sum()) / (blocks * channels)
    if not square > 0:
        raise ValueError("all videos that the linear autoencoder was to be fitted to have one colour")
    values = {
        "first_mean": first.mean,
        "first_basis": _align(first, later),
        "later_mean": later.mean,
        "later_basis": later.basis,
        "scale": np.sqrt(square),
    }
    autoencoder.load_state_dict({name: torch.tensor(value, dtype=torch.float32) for name, value in values.items()})


def _align(first: _Components, later: _Components) -> NDArray[np.float64]:
    """Return the basis of frame 0 rotated towards the mean over time of the other basis (orthogonal Procrustes, weighted by standard deviation)."""
    still = later.basis.reshape(len(later.basis), -1, first.basis.shape[1]).sum(axis=1)
    u, _, vt = np.linalg.svd((np.sqrt(later.variances)[:, None] * still) @ first.basis.T)
    return (u @ vt) @ first.basis


def _frozen(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape), requires_grad=False)
