"""Multi-view joint diffusion of videos and motion pseudo-videos (SyncMV4D, Figure 2, section 3.3, equation 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, ClassVar, NamedTuple

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.attention import AttentionMixin
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import FP32LayerNorm
from diffusers.models.transformers.transformer_wan import WanTimeTextImageEmbedding
from torch import Tensor, nn

from reference_model.config import MJDConfig
from reference_model.mjd.block import MultiViewBlock
from reference_model.mjd.checks import check_inputs
from reference_model.mjd.inheritance import NEW, inherit
from reference_model.mjd.modulation import TimeRows, modulate, span_rows
from reference_model.mjd.rotary import rotaries
from reference_model.mjd.tokens import TokenLayout, replace_first_frame, unpatchify


class MJDOutput(NamedTuple):
    """Velocities of both latents, (B, V, C, n, h, w), and the depth ranges s (B, V, 2) in metres, (near, far); float32, None where there is none."""

    video: Tensor | None
    motion: Tensor | None
    scale: Tensor | None


class MultiViewJointDiffusion(ModelMixin, ConfigMixin, AttentionMixin):
    """Wan2.2's diffusion transformer over V views and two modalities at once: (v^V, v^Mpv, s) = G[z_t^V, z_t^Mpv, z^I, P, t].

    Built of diffusers' own parts under Wan's names, so ``loading.transformer.load_mjd`` loads Wan2.2-TI2V-5B by name; see ``MJDConfig`` for the
    arguments.

        model = MultiViewJointDiffusion(**dataclasses.asdict(preset("nano").mjd))
        output = model(z_video, z_motion, z_image, text, t)
    """

    _supports_gradient_checkpointing = True
    _no_split_modules: ClassVar = ["MultiViewBlock"]
    _repeated_blocks: ClassVar = ["MultiViewBlock"]
    _skip_layerwise_casting_patterns: ClassVar = ["patch_embedding", "condition_embedder", "norm"]
    _keep_in_fp32_modules: ClassVar = [
        "time_embedder", "norm1", "norm2", "norm3", "norm_view", "scale_shift_table", "scale_shift_table_motion", "scale_shift_table_view",
        "scale_shift_table_view_motion", "scale_head",
    ]  # fmt: skip

    @register_to_config
    def __init__(
        self,
        num_attention_heads: int,
        attention_head_dim: int,
        in_channels: int,
        text_dim: int,
        freq_dim: int,
        ffn_dim: int,
        num_layers: int,
        eps: float,
        patch_size: Sequence[int],
        views: int,
        scale_tokens: int,
        register_tokens: int,
        inter_view: str,
        special_tokens_meet: bool,
        view_rope: bool,
        guidance_init: str,
        scale_tokens_see_K: bool,
    ) -> None:
        super().__init__()
        stored = {each.name: self.config[each.name] for each in fields(MJDConfig)}
        settings = MJDConfig(**stored | {"patch_size": tuple(patch_size)})
        self.settings, d = settings, settings.width
        patch = settings.patch_size
        patch_channels = in_channels * math.prod(patch)

        # Figure 2, left: both latents, the text and the time become tokens.
        self.patch_embedding = nn.Conv3d(in_channels, d, patch, patch)
        self.patch_embedding_motion = nn.Conv3d(in_channels, d, patch, patch)
        self.guidance_embedding = nn.Conv3d(in_channels, d, patch, patch, bias=False)
        self.scale_embedding = nn.Parameter(torch.randn(scale_tokens, d) * 0.02)
        self.register_embedding = nn.Parameter(torch.randn(register_tokens, d) * 0.02)
        self.intrinsics_embedding = nn.Linear(2, d) if scale_tokens_see_K else None
        self.condition_embedder = WanTimeTextImageEmbedding(d, freq_dim, 6 * d, text_dim)
        self.time_proj_motion = nn.Linear(d, 6 * d)

        # Figure 2, middle.
        self.blocks = nn.ModuleList([MultiViewBlock(settings) for _ in range(num_layers)])

        # Figure 2, right: two velocities and the depth range.
        self.norm_out = FP32LayerNorm(d, eps, elementwise_affine=False)
        self.scale_shift_table = nn.Parameter(torch.randn(1, 2, d) / d**0.5)
        self.scale_shift_table_motion = nn.Parameter(torch.randn(1, 2, d) / d**0.5)
        self.proj_out = nn.Linear(d, patch_channels)
        self.proj_out_motion = nn.Linear(d, patch_channels)
        self.scale_head = nn.Linear(d, 1)

        self.gradient_checkpointing = False
        self.inherit()

    def forward(
        self,
        z_video: Tensor | None,
        z_motion: Tensor | None,
        z_image: Tensor | None,
        text: Tensor,
        t: Tensor,
        guidance: Tensor | None = None,
        intrinsics: Tensor | None = None,
    ) -> MJDOutput:
        """Velocities and depth ranges (equation 3).

        Args:
            z_video: z_t^V (B, V, C, n, h, w), or None to generate motion alone.
            z_motion: z_t^Mpv (B, V, C, n, h, w), or None to generate videos alone.
            z_image: z^I (B, V, C, 1, h, w), which takes the place of frame 0 of ``z_video`` at noise level 0.
            text: (B, L, text_dim) of umT5.
            t: (B,) noise levels in [0, 1], shared by views, videos and motion.
            guidance: latents of the refined motion's pseudo-video (B, V, C, n, h, w), line 9 of Algorithm 1; None is no guidance; training gives
                zeros instead, since a parameter that one rank leaves out stops all of them.
            intrinsics: (B, V, 2), (fx / W, fy / H), where ``scale_tokens_see_K``.

        Raises:
            ValueError: shapes that do not belong together, another number of views than the model was made for, or t outside [0, 1].
        """
        check_inputs(self.settings, z_video, z_motion, z_image, text, t, guidance, intrinsics)
        if z_video is not None and z_image is not None:
            z_video = replace_first_frame(z_video, z_image)
        layout = self._layout(z_video, z_motion, held=z_image is not None)
        x = self._embed(z_video, z_motion, guidance, intrinsics)
        text, time, time_out = self._condition(text.to(x.dtype), t)
        views = torch.arange(x.shape[1], device=x.device) * int(self.settings.view_rope)
        frame_rotary, view_rotary = rotaries(layout, views, self.settings.attention_head_dim)
        checkpointed = self.gradient_checkpointing and torch.is_grad_enabled()
        for block in self.blocks:
            arguments = (x, text, time, frame_rotary, view_rotary, layout)
            x = self._gradient_checkpointing_func(block, *arguments) if checkpointed else block(*arguments)
        return self._project(x, time_out, layout)

    def _layout(self, z_video: Tensor | None, z_motion: Tensor | None, held: bool) -> TokenLayout:
        z = z_motion if z_video is None else z_video
        n, h, w = (length // patch for length, patch in zip(z.shape[3:], self.settings.patch_size, strict=True))
        special = 0 if z_motion is None else self.settings.scale_tokens + self.settings.register_tokens
        return TokenLayout(
            (n, h, w), z_video is not None, z_motion is not None, special, held, self.settings.inter_view
        )

    def _embed(
        self, z_video: Tensor | None, z_motion: Tensor | None, guidance: Tensor | None, intrinsics: Tensor | None
    ) -> Tensor:
        """Tokens (B, V, S, d): video, motion, scale, registers."""
        parts = []
        if z_video is not None:
            parts.append(_patches(self.patch_embedding, z_video))
        if z_motion is not None:
            motion = _patches(self.patch_embedding_motion, z_motion)
            if guidance is not None:
                motion = motion + _patches(self.guidance_embedding, guidance)
            lead = z_motion.shape[:2]
            scale = self.scale_embedding.expand(*lead, -1, -1)
            if self.intrinsics_embedding is not None:
                scale = scale + self.intrinsics_embedding(intrinsics.to(scale.dtype))[:, :, None]
            parts += [motion, scale, self.register_embedding.expand(*lead, -1, -1)]
        return torch.cat(parts, dim=2)

    def _condition(self, text: Tensor, t: Tensor) -> tuple[Tensor, TimeRows, TimeRows]:
        """Text tokens, and the projected times that are added to the tables of the blocks and of the output.

        t and 0 are all the times there are: both are embedded once.
        """
        levels = torch.cat([t.new_zeros(1), t]) * 1000.0
        embedding, rows, text, _ = self.condition_embedder(levels, text)
        motion = self.time_proj_motion(self.condition_embedder.act_fn(embedding[1:])).unflatten(1, (6, -1))
        rows = rows.unflatten(1, (6, -1))
        out = embedding[:, None].expand(-1, 2, -1)
        return (
            text,
            TimeRows(rows[:1].expand(len(t), -1, -1), rows[1:], motion),
            TimeRows(out[:1].expand(len(t), -1, -1), out[1:], out[1:]),
        )

    def _project(self, x: Tensor, time: TimeRows, layout: TokenLayout) -> MJDOutput:
        """Velocities and depth ranges of the last block's tokens."""
        shift, scale = span_rows(self.scale_shift_table, self.scale_shift_table_motion, time)
        video, motion, special = layout.split(modulate(self.norm_out, x, layout.spans, shift, scale))
        shape = layout.grid, self.settings.patch_size
        return MJDOutput(
            video=unpatchify(self.proj_out(video).float(), *shape) if layout.video else None,
            motion=unpatchify(self.proj_out_motion(motion).float(), *shape) if layout.motion else None,
            scale=self._depth_range(special[:, :, : self.settings.scale_tokens]) if layout.motion else None,
        )

    def _depth_range(self, tokens: Tensor) -> Tensor:
        """The ranges (B, V, 2) of scale tokens (B, V, 2, d): in fp32 as loaded, but training engines cast whole models."""
        metres: Tensor = self.scale_head(tokens.to(self.scale_head.weight.dtype))
        return metres[..., 0].float()

    def inherit(self) -> None:
        """Set the parameters that Wan lacks as copies of its own where there is a counterpart, in place."""
        inherit(self)

    def new_parameters(self) -> frozenset[str]:
        """Names of the parameters that Wan2.2's transformer lacks."""
        return frozenset(name for name, _ in self.named_parameters() if NEW.intersection(name.split(".")))


def _patches(embedding: nn.Conv3d, z: Tensor) -> Tensor:
    """Latents (B, V, C, n, h, w) as patch tokens (B, V, F h w, d)."""
    tokens: Any = embedding(z.flatten(0, 1).to(embedding.weight.dtype))
    return tokens.flatten(2).mT.unflatten(0, z.shape[:2])
