"""Classifier-free guidance by the text, on video alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from reference_model.mjd.model import MJDOutput, MultiViewJointDiffusion


def guided(
    mjd: MultiViewJointDiffusion,
    state: tuple[Tensor, Tensor, Tensor],
    text: Tensor,
    no_text: Tensor | None,
    scale: float,
    t: Tensor,
    guidance: Tensor | None,
    intrinsics: Tensor | None,
) -> MJDOutput:
    """Equation 3, with video's velocity driven away from that of the empty prompt; motion and s are of the prompt alone.

    Guidance drives colours apart, and those of motion are coordinates.

    Args:
        mjd: the model.
        state: z_t^V, z_t^Mpv (B, V, C, n, h, w) and z^I (B, V, C, 1, h, w).
        text: (B, L, text_dim).
        no_text: the empty prompt's, or None, which is no guidance by text.
        scale: 1 is no guidance.
        t: (B,) noise levels.
        guidance: of the refined motion, the same with and without the prompt.
        intrinsics: (B, V, 2), where the model's scale tokens see K.
    """
    output = mjd(*state, text, t, guidance, intrinsics)
    if no_text is None:
        return output
    without = mjd(*state, no_text, t, guidance, intrinsics).video
    return output._replace(video=without + scale * (output.video - without))
