"""Inputs that do not belong together are refused with a sentence, before a matrix product refuses them without one."""

from __future__ import annotations

from torch import Tensor

from reference_model.config import MJDConfig


def check_inputs(
    config: MJDConfig,
    z_video: Tensor | None,
    z_motion: Tensor | None,
    z_image: Tensor | None,
    text: Tensor,
    t: Tensor,
    guidance: Tensor | None,
    intrinsics: Tensor | None,
) -> None:
    """Check the arguments of MultiViewJointDiffusion.forward.

    Raises:
        ValueError: names the argument, its shape, and the shape expected.
    """
    z = z_motion if z_video is None else z_video
    if z is None:
        raise ValueError("z_video and z_motion are both None: give at least one")
    if z.ndim != 6 or z.shape[2] != config.in_channels:
        raise ValueError(f"latents have shape {tuple(z.shape)}, expected (B, V, {config.in_channels}, n, h, w)")
    batch, views, channels, n, h, w = z.shape
    if views != config.views:
        raise ValueError(
            f"the latents have {views} views, but the model is for V = {config.views}: give as many, or use a model made for {views}"
        )
    for name, length, patch in zip(("n", "h", "w"), (n, h, w), config.patch_size, strict=True):
        if length % patch:
            raise ValueError(f"latents have {name} = {length}, expected a multiple of the patch's {patch}")
    if guidance is not None and z_motion is None:
        raise ValueError("guidance is for motion, and z_motion is None")
    if z_image is not None and z_video is None:
        raise ValueError("z_image is video's first frame, and z_video is None")
    expected: tuple[tuple[str, Tensor | None, tuple[int | None, ...]], ...] = (
        ("z_motion", z_motion, tuple(z.shape)),
        ("guidance", guidance, tuple(z.shape)),
        ("z_image", z_image, (batch, views, channels, 1, h, w)),
        ("text", text, (batch, None, config.text_dim)),
        ("t", t, (batch,)),
        ("intrinsics", intrinsics, (batch, views, 2)),
    )
    for name, tensor, shape in expected:
        if tensor is not None:
            _check_shape(name, tensor, shape)
    # Phantom tensors, with which costs are counted, have no values.
    if type(t) is Tensor and not t.is_meta and not ((t >= 0) & (t <= 1)).all():
        raise ValueError(
            f"t is {t.tolist()}: expected noise levels within [0, 1], diffusers' timesteps divided by 1000"
        )
    if config.scale_tokens_see_K and z_motion is not None and intrinsics is None:
        raise ValueError("the model's scale tokens see K: give intrinsics (B, V, 2) = (fx / W, fy / H)")
    if intrinsics is not None and not config.scale_tokens_see_K:
        raise ValueError("intrinsics are given, but the model's scale tokens do not see K: leave them out")


def _check_shape(name: str, tensor: Tensor, shape: tuple[int | None, ...]) -> None:
    fits = tensor.ndim == len(shape) and all(
        want is None or got == want for got, want in zip(tensor.shape, shape, strict=True)
    )
    if not fits:
        wanted = str(shape).replace("None", "L")
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {wanted}")
