"""Checks of the inputs of MultiViewJointDiffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from reference_model.config import MJDConfig

if TYPE_CHECKING:
    from reference_model.mjd.model import Baseline


def check_inputs(
    config: MJDConfig,
    z_video: Tensor | None,
    z_motion: Tensor | None,
    z_image: Tensor | None,
    text: Tensor,
    t: Tensor,
    guidance: Tensor | None,
    intrinsics: Tensor | None,
    baseline: Baseline | None,
) -> None:
    """Raise ValueError, naming the argument, unless the arguments of ``MultiViewJointDiffusion.forward`` fit each other and the model."""
    z = z_motion if z_video is None else z_video
    if z is None:
        raise ValueError("z_video and z_motion are both None: give at least one")
    if z.ndim != 6 or z.shape[2] != config.in_channels:
        raise ValueError(f"latents have shape {tuple(z.shape)}, expected (B, V, {config.in_channels}, n, h, w)")
    batch, views, channels, n, h, w = z.shape
    if views != config.views:
        raise ValueError(f"the latents have {views} views, but the model was built for V = {config.views}")
    for name, length, patch in zip(("n", "h", "w"), (n, h, w), config.patch_size, strict=True):
        if length % patch:
            raise ValueError(f"latents have {name} = {length}, expected a multiple of the patch size {patch}")
    if guidance is not None and z_motion is None:
        raise ValueError("guidance requires z_motion, which is None")
    if z_image is not None and z_video is None:
        raise ValueError("z_image requires z_video, which is None")
    if z_motion is not None and not config.motion:
        raise ValueError("z_motion is given, but the model generates videos only (motion = false): leave it out")
    if config.needs_intrinsics and z_motion is not None and intrinsics is None:
        raise ValueError("the scale tokens of this model see K: give intrinsics (B, V, 2) = (fx / W, fy / H)")
    if intrinsics is not None and not config.needs_intrinsics:
        raise ValueError("intrinsics are given, but the scale tokens of this model do not see K: leave them out")
    if config.residual and baseline is None:
        raise ValueError("the outputs of this model are differences from a still clip: give it as baseline")
    if baseline is not None and not config.residual:
        raise ValueError("baseline is given, but the outputs of this model are no differences: leave it out")
    expected: dict[str, tuple[Tensor | None, tuple[int | None, ...]]] = {
        "z_motion": (z_motion, tuple(z.shape)),
        "guidance": (guidance, tuple(z.shape)),
        "z_image": (z_image, (batch, views, channels, 1, h, w)),
        "text": (text, (batch, None, config.text_dim)),
        "t": (t, (batch,)),
        "intrinsics": (intrinsics, (batch, views, 2)),
        "baseline.z_video": (None if baseline is None else baseline.z_video, tuple(z.shape)),
        "baseline.depth": (None if baseline is None else baseline.depth, (batch, views)),
    }
    for name, (tensor, shape) in expected.items():
        if tensor is not None and not _has_shape(tensor, shape):
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {str(shape).replace('None', 'L')}")
    # Fake tensors, with which costs are counted, have no values.
    if type(t) is Tensor and not t.is_meta and not ((t >= 0) & (t <= 1)).all():
        raise ValueError(
            f"t is {t.tolist()}: expected noise levels within [0, 1], diffusers' timesteps divided by 1000"
        )


def _has_shape(tensor: Tensor, shape: tuple[int | None, ...]) -> bool:
    return tensor.ndim == len(shape) and all(
        want is None or got == want for got, want in zip(tensor.shape, shape, strict=True)
    )
