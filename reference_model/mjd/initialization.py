"""Initial values of the parameters that Wan2.2 lacks: copies of Wan's where there is a counterpart, so that the model starts close to Wan.

With random motion tokens no initialization preserves Wan's video exactly, since both share a softmax; docs/reference_model.md lists what is
preserved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from reference_model.mjd.block import MultiViewBlock
    from reference_model.mjd.model import MultiViewJointDiffusion

NEW_PARAMETERS = frozenset(
    (
        "attn_view",
        "guidance_embedding",
        "held_embedding",
        "intrinsics_embedding",
        "patch_embedding_motion",
        "proj_out_motion",
        "register_embedding",
        "scale_head",
        "scale_shift_table_motion",
        "scale_shift_table_view",
        "scale_shift_table_view_motion",
        "scale_embedding",
        "time_proj_motion",
    )
)
"""Parts of dotted names: a parameter with one of them in its name is not in Wan2.2's transformer."""

_TOKEN_STD = 0.02


@torch.no_grad()
def init_new_parameters(model: MultiViewJointDiffusion, *, has_videos: bool = False) -> None:
    """Set the parameters that Wan2.2 lacks, in place: to copies of Wan's where there is a counterpart, else to zeros or small random values.

    A residual model starts from the still clip: its outputs are zero, and it sees that clip as it sees noisy videos.  With ``has_videos`` it has
    learned to generate videos already, and keeps what it has learned.
    """
    for block in model.blocks:
        _init_block(block)
    if model.held_embedding is not None and not has_videos:
        model.held_embedding.weight.copy_(model.patch_embedding.weight)
        _zero(model.proj_out)
    if model.settings.motion:
        _init_motion(model)


def _init_motion(model: MultiViewJointDiffusion) -> None:
    for new, wan in (
        (model.patch_embedding_motion, model.patch_embedding),
        (model.time_proj_motion, model.condition_embedder.time_proj),
        (model.proj_out_motion, model.proj_out),
    ):
        new.load_state_dict(wan.state_dict())
    model.scale_shift_table_motion.copy_(model.scale_shift_table)
    if model.settings.guidance_init == "zero":
        model.guidance_embedding.weight.zero_()
    else:
        model.guidance_embedding.weight.copy_(model.patch_embedding.weight)
    model.scale_embedding.normal_(std=_TOKEN_STD)
    model.register_embedding.normal_(std=_TOKEN_STD)
    model.scale_head.weight.normal_(std=_TOKEN_STD)
    model.scale_head.bias.zero_()
    if model.held_embedding is not None:
        _zero(model.proj_out_motion)
        _zero(model.scale_head)
    if model.intrinsics_embedding is not None:
        _zero(model.intrinsics_embedding)


def _init_block(block: MultiViewBlock) -> None:
    if block.attn_view is not None:
        block.attn_view.load_state_dict(block.attn1.state_dict())
        _zero(block.attn_view.to_out[0])  # inter-view attention adds nothing until it is trained
        block.scale_shift_table_view.copy_(block.scale_shift_table[:, :3])
    if block.scale_shift_table_motion is not None:
        block.scale_shift_table_motion.copy_(block.scale_shift_table)
    if block.scale_shift_table_view_motion is not None:
        block.scale_shift_table_view_motion.copy_(block.scale_shift_table[:, :3])


def _zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        parameter.zero_()
