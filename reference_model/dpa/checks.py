"""Inputs of the points aligner that do not belong together are refused with a sentence."""

from __future__ import annotations

from torch import Tensor

from reference_model.config import DPAConfig


def check_inputs(
    config: DPAConfig,
    M_t: Tensor,
    coarse: Tensor,
    found: Tensor,
    anchors: Tensor,
    t: Tensor,
    point_mask: Tensor | None,
) -> None:
    """Check the arguments of DiffusionPointsAligner.forward.

    Raises:
        ValueError: names the argument, its shape or type, and what is expected.
    """
    if M_t.ndim != 5 or M_t.shape[-1] != 3:
        raise ValueError(f"M_t has shape {tuple(M_t.shape)}, expected (B, V, N, K, 3)")
    batch, views, frames, points = M_t.shape[:4]
    if views != config.views:
        raise ValueError(f"the tracks are of {views} views, but the model is for V = {config.views}")
    if points < 1:
        raise ValueError("there is no point to align: K is 0")
    expected = {
        "coarse": (coarse, (batch, views, frames, points, 3)),
        "found": (found, (batch, views, frames, points)),
        "anchors": (anchors, (batch, views, points, 2)),
        "t": (t, (batch,)),
    }
    if point_mask is not None:
        expected["point_mask"] = (point_mask, (batch, views, points))
    for name, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}")
