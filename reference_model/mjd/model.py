"""Multi-view joint diffusion of videos and motion pseudo-videos (SyncMV4D paper, Figure 2, section 3.3, equation 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, NamedTuple, Self

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.attention import AttentionMixin
from diffusers.models.embeddings import PixArtAlphaTextProjection
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import FP32LayerNorm
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn.functional import silu

from reference_model.config import MJDConfig
from reference_model.config.fields import from_stored
from reference_model.float32_layers import Float32Linear, TimeEmbedding
from reference_model.mjd.block import MultiViewBlock, TimeRows, modulate, modulation_rows
from reference_model.mjd.initialization import NEW_PARAMETERS, init_new_parameters
from reference_model.mjd.input_checks import check_inputs
from reference_model.mjd.tokens import TokenLayout, replace_first_frame, rotary_tables, unpatchify
from reference_model.rectified_flow import velocity_from_clean


class MJDOutput(NamedTuple):
    """The predictions of the joint diffusion model, in float32; None for videos or motion that were not in the input.

    Attributes:
        video: velocities of the videos' latents (B, V, C, n, h, w).
        motion: velocities of the motion latents, of the same shape.
        scale: near and far depths s of the motion pseudo-videos (B, V, 2), metres.
    """

    video: Tensor | None
    motion: Tensor | None
    s: Tensor | None


DEPTH_UNIT = 0.1
"""Metres per unit of the scale head of a residual model: about the size of its differences, so that one learning rate fits all heads."""


class Baseline(NamedTuple):
    """The still clip from which the outputs of a residual model are differences; that of motion is the guidance.

    Attributes:
        z_video: (B, V, C, n, h, w), latents of videos that show the reference image in every frame.
        depth: (B, V), depth of the scene frame's origin in each view, metres.
    """

    z_video: Tensor
    depth: Tensor


class MultiViewJointDiffusion(ModelMixin, ConfigMixin, AttentionMixin):
    """Wan2.2's diffusion transformer over V views, which predicts the velocities of video and motion latents, and the depth ranges of motion.

    Built from diffusers' modules under Wan's names, so ``reference_model.loading.transformer.load_mjd`` loads Wan2.2-TI2V-5B by name.

    >>> from reference_model.config import preset
    >>> model = MultiViewJointDiffusion(preset("nano").mjd)
    >>> z = torch.randn(1, 3, 16, 2, 4, 6)  # B, V, C, n, h, w
    >>> output = model(z_video=z, z_motion=z, z_image=z[:, :, :, :1], text=torch.randn(1, 5, 32), t=torch.rand(1))
    >>> list(output.video.shape), list(output.s.shape)
    ([1, 3, 16, 2, 4, 6], [1, 3, 2])
    """

    _supports_gradient_checkpointing = True
    _no_split_modules: ClassVar = ["MultiViewBlock"]
    _repeated_blocks: ClassVar = ["MultiViewBlock"]
    _skip_layerwise_casting_patterns: ClassVar = ["patch_embedding", "condition_embedder", "norm"]
    _keep_in_fp32_modules: ClassVar = [
        "time_embedder", "time_proj", "time_proj_motion", "norm1", "norm2", "norm3", "norm_view", "scale_shift_table", "scale_shift_table_motion",
        "scale_shift_table_view", "scale_shift_table_view_motion", "scale_head",
    ]  # fmt: skip

    def __init__(self, config: MJDConfig) -> None:
        super().__init__()
        self.register_to_config(**asdict(config))  # for save_pretrained
        self.settings, d, patch = config, config.width, config.patch_size
        patch_channels = config.in_channels * math.prod(patch)

        # Figure 2, left: tokens of both latents, the text and the time.
        self.patch_embedding = nn.Conv3d(config.in_channels, d, patch, patch)
        if config.motion:
            self.patch_embedding_motion = nn.Conv3d(config.in_channels, d, patch, patch)
            self.guidance_embedding = nn.Conv3d(config.in_channels, d, patch, patch, bias=False)
        self.held_embedding = nn.Conv3d(config.in_channels, d, patch, patch, bias=False) if config.residual else None
        if config.motion:
            self.scale_embedding = nn.Parameter(torch.randn(config.scale_tokens, d) * 0.02)
            self.register_embedding = nn.Parameter(torch.randn(config.register_tokens, d) * 0.02)
        self.intrinsics_embedding = nn.Linear(2, d) if config.needs_intrinsics else None
        self.condition_embedder = nn.ModuleDict(
            {
                "time_embedder": TimeEmbedding(config.freq_dim, d),
                "time_proj": Float32Linear(d, 6 * d),
                "text_embedder": PixArtAlphaTextProjection(config.text_dim, d, act_fn="gelu_tanh"),
            }
        )
        self.time_proj_motion = Float32Linear(d, 6 * d) if config.motion else None

        # Figure 2, middle.
        self.blocks = nn.ModuleList([MultiViewBlock(config) for _ in range(config.num_layers)])

        # Figure 2, right: two velocities and the depth range.
        self.norm_out = FP32LayerNorm(d, config.eps, elementwise_affine=False)
        self.scale_shift_table = nn.Parameter(torch.randn(1, 2, d) / d**0.5)
        self.scale_shift_table_motion = nn.Parameter(torch.randn(1, 2, d) / d**0.5) if config.motion else None
        self.proj_out = nn.Linear(d, patch_channels)
        if config.motion:
            self.proj_out_motion = nn.Linear(d, patch_channels)
            self.scale_head = Float32Linear(d, 1)

        self.gradient_checkpointing = False
        init_new_parameters(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **_: Any) -> Self:
        """Build the model from the stored fields of its configuration, as ``from_pretrained`` does."""
        return cls(from_stored(MJDConfig, config))

    def forward(
        self,
        z_video: Tensor | None,
        z_motion: Tensor | None,
        z_image: Tensor | None,
        text: Tensor,
        t: Tensor,
        guidance: Tensor | None = None,
        intrinsics: Tensor | None = None,
        baseline: Baseline | None = None,
    ) -> MJDOutput:
        """Predict velocities and depth ranges (equation 3 of the SyncMV4D paper).

        Args:
            z_video: z_t^V (B, V, C, n, h, w), noisy latents of the videos, or None to generate motion only.
            z_motion: z_t^Mpv (B, V, C, n, h, w), noisy latents of the motion pseudo-videos, or None to generate videos only.
            z_image: z^I (B, V, C, 1, h, w), latents of the reference images, which replace frame 0 of ``z_video`` and have noise level 0; or None.
            text: (B, L, text_dim), umT5 embedding of the prompts.
            t: (B,) noise levels in [0, 1], shared by views, videos and motion.
            guidance: latents of the refined motion's pseudo-video (B, V, C, n, h, w), line 9 of Algorithm 1; None is no guidance.  Training passes
                zeros instead of None, since all ranks must use the same parameters.
            intrinsics: (B, V, 2), focal lengths (fx / W, fy / H), if ``scale_tokens_see_K``, else None.
            baseline: the still clip from which the outputs are differences, if ``residual``, else None.

        Raises:
            ValueError: inconsistent shapes, a number of views that the model was not built for, or t outside [0, 1].
        """
        check_inputs(self.settings, z_video, z_motion, z_image, text, t, guidance, intrinsics, baseline)
        if z_video is not None and z_image is not None:
            z_video = replace_first_frame(z_video, z_image)
        layout = self._layout(z_video, z_motion, has_image=z_image is not None)
        x = self._embed(z_video, z_motion, guidance, intrinsics, baseline)
        text, time, time_out = self._condition(text.to(x.dtype), t)
        views = torch.arange(x.shape[1], device=x.device) * int(self.settings.view_rope)
        frame_rotary, view_rotary = rotary_tables(layout, views, self.settings.attention_head_dim)
        is_checkpointed = self.gradient_checkpointing and torch.is_grad_enabled()
        for block in self.blocks:
            arguments = (x, text, time, frame_rotary, view_rotary, layout)
            x = self._gradient_checkpointing_func(block, *arguments) if is_checkpointed else block(*arguments)
        video, motion, s = self._project(x, time_out, layout)
        if self.settings.predicts == "velocity":
            return MJDOutput(video, motion, s)
        if baseline is not None:
            video = None if video is None else baseline.z_video + video
            motion = motion if motion is None or guidance is None else guidance + motion
            s = None if s is None else baseline.depth[..., None] + DEPTH_UNIT * s
        return MJDOutput(
            None if video is None else velocity_from_clean(z_video, video, t),
            None if motion is None else velocity_from_clean(z_motion, motion, t),
            s,
        )

    def _layout(self, z_video: Tensor | None, z_motion: Tensor | None, has_image: bool) -> TokenLayout:
        z = z_motion if z_video is None else z_video
        f, h, w = (length // patch for length, patch in zip(z.shape[3:], self.settings.patch_size, strict=True))
        return TokenLayout(
            grid=(f, h, w),
            has_video=z_video is not None,
            has_motion=z_motion is not None,
            special_tokens=0 if z_motion is None else self.settings.scale_tokens + self.settings.register_tokens,
            has_image=has_image,
            inter_view=self.settings.inter_view,
        )

    def _embed(
        self,
        z_video: Tensor | None,
        z_motion: Tensor | None,
        guidance: Tensor | None,
        intrinsics: Tensor | None,
        baseline: Baseline | None,
    ) -> Tensor:
        """Return the tokens (B, V, S, d) of all inputs, in the order video, motion, scale, registers."""
        parts = []
        if z_video is not None:
            video = patchify(self.patch_embedding, z_video)
            parts.append(
                video if self.held_embedding is None else video + patchify(self.held_embedding, baseline.z_video)
            )
        if z_motion is not None:
            motion = patchify(self.patch_embedding_motion, z_motion)
            if guidance is not None:
                motion = motion + patchify(self.guidance_embedding, guidance)
            batch, views = z_motion.shape[:2]
            scale = repeat(self.scale_embedding, "s d -> b v s d", b=batch, v=views)
            if self.intrinsics_embedding is not None:
                scale = scale + rearrange(self.intrinsics_embedding(intrinsics.to(scale.dtype)), "b v d -> b v 1 d")
            parts += [motion, scale, repeat(self.register_embedding, "s d -> b v s d", b=batch, v=views)]
        return torch.cat(parts, dim=2)

    def _condition(self, text: Tensor, t: Tensor) -> tuple[Tensor, TimeRows, TimeRows]:
        """Embed text and noise levels: return text tokens (B, L, d), and the modulation rows of the noise levels for the blocks and for the output.

        t and 0 are the only noise levels, so each is embedded once.
        """
        embedder = self.condition_embedder
        embedding = embedder["time_embedder"](torch.cat([t.new_zeros(1), t]))
        rows = rearrange(embedder["time_proj"](silu(embedding)), "b (r d) -> b r d", r=6)
        motion = rows[1:]
        if self.time_proj_motion is not None:
            motion = rearrange(self.time_proj_motion(silu(embedding[1:])), "b (r d) -> b r d", r=6)
        out = repeat(embedding, "b d -> b r d", r=2)
        return (
            embedder["text_embedder"](text),
            TimeRows(rows[:1].expand(len(t), -1, -1), rows[1:], motion),
            TimeRows(out[:1].expand(len(t), -1, -1), out[1:], out[1:]),
        )

    def _project(self, x: Tensor, time: TimeRows, layout: TokenLayout) -> MJDOutput:
        """Convert the tokens (B, V, S, d) of the last block to the outputs for videos and motion, and depth ranges."""
        shift, scale = modulation_rows(self.scale_shift_table, self.scale_shift_table_motion, time)
        video, motion, special = layout.split(modulate(self.norm_out, x, layout.spans, shift, scale))
        shape = layout.grid, self.settings.patch_size
        return MJDOutput(
            video=unpatchify(self.proj_out(video).float(), *shape) if layout.has_video else None,
            motion=unpatchify(self.proj_out_motion(motion).float(), *shape) if layout.has_motion else None,
            s=self.scale_head(special[:, :, : self.settings.scale_tokens])[..., 0] if layout.has_motion else None,
        )

    def new_parameters(self) -> frozenset[str]:
        """Return the names of the parameters that Wan2.2's transformer lacks."""
        return frozenset(name for name, _ in self.named_parameters() if NEW_PARAMETERS.intersection(name.split(".")))


def patchify(embedding: nn.Conv3d, z: Tensor) -> Tensor:
    """Embed latents (B, V, C, n, h, w) as tokens (B, V, S, d), one per patch, in the order (frame, row, column)."""
    tokens: Any = embedding(rearrange(z, "b v c n h w -> (b v) c n h w").to(embedding.weight.dtype))
    return rearrange(tokens, "(b v) d f h w -> b v (f h w) d", v=z.shape[1])
