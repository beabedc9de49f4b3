"""Every number of the model: what the paper fixes, with its section, and what it leaves open, with our reason.

Each field carries its origin: ``paper(value, "section 4.2")``; ``ours(value, "why")``, *not in paper*; or ``departs(value, "section 3.3", "why")``,
where the paper has another value.  ``config_fields.origins`` lists them, and ``python -m reference_model.info --preset NAME --fields`` prints them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from reference_model.config_fields import (
    BELOW_ONE,
    COUNT,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    check_ranges,
    departs,
    ours,
    paper,
)

GRID_BITS = 16
"""Of a coordinate of DPA's grid: three of them fill 48 of a 64-bit place on a curve."""


@dataclass(frozen=True)
class MJDConfig:
    """The multi-view joint diffusion model: Wan2.2-TI2V-5B and what SyncMV4D adds to it.  Names of Wan's fields are those of diffusers."""

    num_attention_heads: int = paper(24, "section 4.2: the base model, Wan2.2-TI2V-5B", COUNT)
    attention_head_dim: int = paper(128, "section 4.2: d = 3072 in 24 heads", COUNT)
    in_channels: int = paper(48, "section 4.2: the base model's latents", COUNT)
    text_dim: int = paper(4096, "section 3.3: umT5", COUNT)
    freq_dim: int = paper(256, "section 4.2: the base model", COUNT)
    ffn_dim: int = paper(14336, "section 4.2: the base model", COUNT)
    num_layers: int = paper(30, "section 4.2", COUNT)
    eps: float = paper(1e-6, "section 4.2: the base model", POSITIVE)
    patch_size: tuple[int, int, int] = paper((1, 2, 2), "section 4.2: the tokenizer's 2x downsampling", COUNT)
    views: int = paper(3, "section 4.2", COUNT)
    scale_tokens: int = paper(2, "section 4.2: t_s")
    register_tokens: int = paper(6, "section 4.2: t_r", NOT_NEGATIVE)
    inter_view: Literal["joint", "separate"] = ours(
        "joint",
        "whether video and motion tokens of a frame meet in inter-view attention; the printed shape lacks the modality",
    )
    special_tokens_meet: bool = ours(
        True,
        "scale and register tokens of all views meet in inter-view attention, as one more group; else no view's scale knows of another's",
    )
    view_rope: bool = ours(
        True, "RoPE of inter-view attention has the view's index on its time axis, as SynCamMaster's"
    )
    guidance_init: Literal["zero", "patch_embedding"] = departs(
        "zero", "Algorithm 1, line 9", "W of the guidance embedding before training; patch_embedding is the paper's"
    )
    scale_tokens_see_K: bool = ours(
        False, "scale tokens get (fx / W, fy / H); without intrinsics the metric depth of a crop is ill-posed"
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.attention_head_dim % 2:
            raise ValueError(
                f"attention_head_dim is {self.attention_head_dim}: expected an even number, since RoPE turns pairs"
            )
        if self.scale_tokens not in (0, 2):
            raise ValueError(f"scale_tokens is {self.scale_tokens}: expected 2, near and far, or 0, no depth range")

    @property
    def width(self) -> int:
        """d, channels of a token."""
        return self.num_attention_heads * self.attention_head_dim


@dataclass(frozen=True)
class DPAConfig:
    """The diffusion points aligner: Point Transformer V3's parts, without its pooling."""

    width: int = ours(256, "channels of a point", COUNT)
    heads: int = ours(8, "of attention", COUNT)
    num_layers: int = ours(8, "27 M parameters in all; the paper's is not told", COUNT)
    window: int | None = ours(
        1024, "points of a window along the curve, as Point Transformer V3; None: all points of a frame", COUNT
    )
    orders: tuple[Literal["z", "z-trans"], ...] = ours(("z", "z-trans"), "curves, one block after another")
    voxel: float = ours(0.05, "edge of a voxel in the scene frame's units: 1 cm", POSITIVE)
    reach: float = ours(
        4.0, "points farther out lie, for their order, on the border, in the scene frame's units", POSITIVE
    )
    sparse_conv: Literal["auto", "spconv", "torch"] = ours("auto", "spconv where it is installed")
    temporal: bool = ours(False, "attention along each track; the authors' HarmoHOI has it")
    predicts: Literal["velocity", "tracks"] = paper("velocity", "equation 4")
    """What the last layer gives: v, or the clean tracks that v then is the way to, v = (M_t - tracks) / t."""
    views: int = paper(3, "section 4.2", COUNT)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}: expected a multiple of heads, {self.heads}")
        if not self.orders:
            raise ValueError("orders is empty: expected z, z-trans or both")
        if not 2 * self.reach / self.voxel < 2**GRID_BITS:
            raise ValueError(
                f"voxel is {self.voxel}: expected fewer than {2**GRID_BITS} of them within a reach of {self.reach}"
            )


@dataclass(frozen=True)
class VAEConfig:
    """The video autoencoder, diffusers' AutoencoderKLWan.  Names are diffusers'; channels of its latents are ``MJDConfig.in_channels``."""

    stride: tuple[int, int, int] = paper((4, 16, 16), "section 4.2: (r_n, r_h, r_w)", COUNT)
    base_dim: int = paper(160, "section 4.2: the base model's encoder", COUNT)
    decoder_base_dim: int = paper(256, "section 4.2: the base model's decoder", COUNT)
    dim_mult: tuple[int, ...] = paper((1, 2, 4, 4), "section 4.2: the base model", COUNT)
    num_res_blocks: int = paper(2, "section 4.2: the base model", COUNT)
    temperal_downsample: tuple[bool, ...] = paper((False, True, True), "section 4.2: the base model")
    patch_size: int = paper(2, "section 4.2: the base model", COUNT)

    __post_init__ = check_ranges


@dataclass(frozen=True)
class PseudoVideoConfig:
    """How motion is drawn (hoibench.geometry.pseudo_video)."""

    points: int = paper(1600, "section 4.2: K", COUNT)
    radius: int = ours(1, "a point is a square of 2 radius + 1 pixels", NOT_NEGATIVE)
    darkest: float = departs(
        0.1, "section 3.3", "channels lie in [darkest, 1]; the paper's 0 collides with the black background", BELOW_ONE
    )
    eight_bit: bool = departs(
        False, "section 3.3", "floats; of the paper's 256 levels a channel, one is 3 px and 1/230 of the depth range"
    )
    match_within: float = ours(
        1.5, "how far from an anchor a colour may be to be matched with it, in anchor spacings", POSITIVE
    )

    __post_init__ = check_ranges


@dataclass(frozen=True)
class FlowConfig:
    """Rectified flow."""

    steps: int = ours(50, "as the base model samples", COUNT)
    shift: float = ours(5.0, "of the sampler's grid, as the base model's", POSITIVE)
    training_shift: float = paper(1.0, "Algorithm 1, line 5: t is uniform, which 1 leaves it", POSITIVE)
    guidance_scale: float = ours(5.0, "of the text, on video only, as the base model's", NOT_NEGATIVE)

    __post_init__ = check_ranges


@dataclass(frozen=True)
class CycleConfig:
    """The closed loop between MJD and DPA (section 3.5, Algorithm 1)."""

    reading: Literal["x0", "algorithm1_literal"] = ours(
        "x0",
        "what is decoded as coarse motion: an estimate of clean motion, or what lines 7 and 11 print, noisy motion",
    )
    guidance: bool = ours(True, "false is Table 3's row without the cycle")
    guided: float = ours(
        0.5, "share of training iterations with guidance; the first sampling step has none, so it must occur", SHARE
    )
    gradient: Literal["full", "depth_scale", "none"] = ours(
        "none",
        "of the coarse tracks: the paper does not detach them, but a backward through the decoder does not fit beside 5 B",
    )
    text_dropout: float = ours(0.1, "share of training samples without a prompt", SHARE)
    unit: float = ours(0.2, "metres to a unit of the scene frame, so that tracks are near unit variance", POSITIVE)
    loop_every: int = ours(1, "sampling steps from one pass through the decoder to the next", COUNT)
    loop_start: float = ours(1.0, "noise level at and below which the loop runs", SHARE)

    __post_init__ = check_ranges

    @property
    def guided_share(self) -> float:
        """Share of training iterations with guidance, none where there is no cycle."""
        return self.guided if self.guidance else 0.0

    def loops(self, step: int, t: float, *, last: bool) -> bool:
        """Whether a sampling step passes through the decoder; the last always does, since its tracks are the answer."""
        return last or (t <= self.loop_start and step % self.loop_every == 0)


@dataclass(frozen=True)
class SyncMV4DConfig:
    """A whole model on a grid of N frames of H x W pixels.

    Raises:
        ValueError: the grid does not divide into latents and patches, or the two models are of different numbers of views.
    """

    frames: int = paper(49, "section 4.2: N")
    height: int = paper(480, "section 4.2: H")
    width: int = paper(704, "section 4.2: W")
    text_tokens: int = paper(512, "section 4.2: L", COUNT)
    mjd: MJDConfig = field(default_factory=MJDConfig)
    dpa: DPAConfig = field(default_factory=DPAConfig)
    vae: VAEConfig = field(default_factory=VAEConfig)
    pseudo_video: PseudoVideoConfig = field(default_factory=PseudoVideoConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    cycle: CycleConfig = field(default_factory=CycleConfig)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.mjd.views != self.dpa.views:
            raise ValueError(f"mjd.views is {self.mjd.views}, dpa.views {self.dpa.views}: expected the same V")
        self.latent_grid(self.frames, self.height, self.width)

    def latent_grid(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """(n, h, w) of the latents of a video of so many frames and pixels: 1 + (N - 1) / r_n, H / r_h, W / r_w.

        Raises:
            ValueError: names the number that does not fit, and the nearest ones that do.
        """
        stride, patch = self.vae.stride, self.mjd.patch_size
        if frames < 1 or (frames - 1) % stride[0]:
            n = max(0, (frames - 1) // stride[0])
            raise ValueError(
                f"{frames} frames: expected {stride[0]} n + 1 of them, such as {stride[0] * n + 1} or {stride[0] * (n + 1) + 1}"
            )
        for name, length, step in (("height", height, stride[1] * patch[1]), ("width", width, stride[2] * patch[2])):
            if length < step or length % step:
                low = max(step, length // step * step)
                raise ValueError(f"{name} is {length}: expected a multiple of {step}, such as {low} or {low + step}")
        return 1 + (frames - 1) // stride[0], height // stride[1], width // stride[2]


def with_mjd(config: SyncMV4DConfig, **changes: Any) -> SyncMV4DConfig:
    """The configuration with other fields of MJD; the points aligner is of as many views."""
    mjd = replace(config.mjd, **changes)
    return replace(config, mjd=mjd, dpa=replace(config.dpa, views=mjd.views))


PRESETS: dict[str, SyncMV4DConfig] = {
    "wan22_5b": SyncMV4DConfig(),
    "nano": SyncMV4DConfig(
        frames=25,
        height=128,
        width=192,
        text_tokens=16,
        mjd=MJDConfig(
            num_attention_heads=4,
            attention_head_dim=24,
            in_channels=16,
            text_dim=32,
            freq_dim=32,
            ffn_dim=192,
            num_layers=2,
        ),
        vae=VAEConfig(base_dim=8, decoder_base_dim=8, num_res_blocks=1),
        dpa=DPAConfig(width=64, heads=4, num_layers=2, window=256, predicts="tracks"),
        pseudo_video=PseudoVideoConfig(points=256),
        flow=FlowConfig(steps=8),
    ),
}
"""``wan22_5b`` is the paper's model; ``nano`` the same on synthetic clips, small enough for tests (d = 96, since a patch has 16 x 4 = 64 numbers).
Each has a twin, ``NAME_literal``, that reads Algorithm 1 to the letter."""

LITERAL = "_literal"


def to_the_letter(config: SyncMV4DConfig) -> SyncMV4DConfig:
    """The same model with Algorithm 1 as printed: noisy motion is decoded, guidance is added to latents, always, and nothing is detached."""
    return replace(
        config,
        mjd=replace(config.mjd, guidance_init="patch_embedding"),
        dpa=replace(config.dpa, predicts="velocity"),
        cycle=replace(config.cycle, reading="algorithm1_literal", guided=1.0, gradient="full"),
    )


PRESETS |= {name + LITERAL: to_the_letter(config) for name, config in PRESETS.items()}


def preset(name: str) -> SyncMV4DConfig:
    """The configuration of a name.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]
