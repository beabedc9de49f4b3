"""The configuration classes of the model: values of the SyncMV4D paper with their section, and our own with the reason.

Each field has a provenance: ``paper(value, "section 4.2")``; ``ours(value, "why")``, *not in paper*; or ``departs(value, "section 3.3", "why")``,
where the paper has another value.  ``python -m reference_model.info --preset NAME --fields`` prints them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from reference_model.config.fields import (
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
"""Bits of a voxel's coordinate in the points aligner: three coordinates take 48 of the 64 bits of a position on the curve."""


@dataclass(frozen=True)
class MJDConfig:
    """Configuration of the multi-view joint diffusion model: Wan2.2-TI2V-5B with SyncMV4D's additions.  Wan's fields are named as in diffusers."""

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
    motion: bool = paper(
        True, "section 3.3: videos and motion are generated jointly; false is Table 3's row of videos only", later=True
    )
    inter_view: Literal["joint", "separate", "none"] = ours(
        "joint",
        "whether video and motion tokens of a frame attend to each other across views; the printed shape lacks the modality. none has no inter-view"
        " attention, as the base model",
    )
    special_tokens_meet: bool = ours(
        True,
        "whether scale and register tokens of all views attend to each other; otherwise views could not agree on scale",
    )
    view_rope: bool = ours(
        True, "whether the time axis of RoPE in inter-view attention is the view's index, as in SynCamMaster"
    )
    guidance_init: Literal["zero", "patch_embedding"] = departs(
        "zero", "Algorithm 1, line 9", "initial weight of the guidance embedding; patch_embedding is the paper's"
    )
    predicts: Literal["velocity", "clean"] = paper("velocity", "equation 3")
    """Output of the last layers: the velocities v, or clean latents z_0, from which v = (z_t - z_0) / t at noise level t."""
    residual: bool = ours(
        False,
        "whether the outputs are differences: videos from the reference image held still, motion from the guidance, both also inputs,"
        " and depth ranges from the depth of the scene frame's origin",
    )
    scale_tokens_see_K: bool = ours(
        False, "whether scale tokens get (fx / W, fy / H); without intrinsics the metric depth of a crop is ill-posed"
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.attention_head_dim % 2:
            raise ValueError(
                f"attention_head_dim is {self.attention_head_dim}: expected an even number, since RoPE rotates pairs"
            )
        if self.residual and self.predicts != "clean":
            raise ValueError(
                f"residual is true and predicts is {self.predicts!r}: expected 'clean', only clean latents have a difference"
            )
        if self.scale_tokens not in (0, 2):
            raise ValueError(f"scale_tokens is {self.scale_tokens}: expected 2 (near and far) or 0 (no depth range)")

    @property
    def needs_intrinsics(self) -> bool:
        """Whether the model takes focal lengths: its scale tokens see them, and there is motion, to which scale tokens belong."""
        return self.scale_tokens_see_K and self.motion

    @property
    def width(self) -> int:
        """Channels of a token (d): the channels of all attention heads."""
        return self.num_attention_heads * self.attention_head_dim


@dataclass(frozen=True)
class DPAConfig:
    """Configuration of the diffusion points aligner: Point Transformer V3's parts, without its pooling."""

    width: int = ours(256, "channels of a point", COUNT)
    heads: int = ours(8, "attention heads", COUNT)
    num_layers: int = ours(8, "number of blocks, for 27 M parameters in total", COUNT)
    window: int | None = ours(
        1024, "points of a window along the curve, as in Point Transformer V3; None takes all points of a frame", COUNT
    )
    orders: tuple[Literal["z", "z-trans"], ...] = ours(("z", "z-trans"), "curves, alternating from block to block")
    voxel: float = ours(0.05, "edge of a voxel in units of the scene frame, 1 cm", POSITIVE)
    reach: float = ours(
        4.0,
        "half the edge of the grid in units of the scene frame; points beyond are ordered as if on its border",
        POSITIVE,
    )
    sparse_conv: Literal["auto", "spconv", "torch"] = ours(
        "auto", "library of the sparse convolution; auto takes spconv if it is installed"
    )
    temporal: bool = ours(False, "attention along each track; the authors' HarmoHOI has it")
    predicts: Literal["velocity", "tracks", "corrections"] = paper("velocity", "equation 4")
    """Output of the last layer: the velocity v; or clean tracks, from which v = (M_t - tracks) / t with the noisy tracks M_t at noise level t; or
    corrections, whose sum with the coarse tracks is the clean tracks (gaps of a coarse track are interpolated in time)."""
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
    """Configuration of the video autoencoder, whose latents have ``MJDConfig.in_channels`` channels.

    Fields after ``stride`` describe Wan's, diffusers' AutoencoderKLWan, and have its names.
    """

    kind: Literal["wan", "linear"] = paper("wan", "section 4.2: the base model's autoencoder")
    """``wan``, or ``linear``: principal components of blocks of pixels, one basis for videos and one for motion pseudo-videos."""
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
    """Options for rendering motion pseudo-videos, which show tracks as coloured squares (hoibench.geometry.pseudo_video)."""

    points: int = paper(1600, "section 4.2: K", COUNT)
    radius: int = ours(
        3,
        "size of a point, a square of 2 radius + 1 pixels; of 1, 2 and 3, the largest is the most accurate after 1 % of colour noise or H.264 at the "
        "paper's size: docs/reference_model.md",
        NOT_NEGATIVE,
    )
    depth_tolerance: float = ours(
        0.02,
        "largest depth, as a share of the front point's, by which points behind it may still be on its surface; a pixel shows the nearest of them in "
        "the image, so that overlapping squares are read back more accurately: docs/reference_model.md",
        NOT_NEGATIVE,
    )
    darkest: float = departs(
        0.1,
        "section 3.3",
        "smallest value of channels in [darkest, 1]; the paper's 0 collides with the black background",
        BELOW_ONE,
    )
    eight_bit: bool = departs(
        False,
        "section 3.3",
        "whether channels are rounded to 8 bits; one of these 256 levels is 3 px, or 1/230 of the depth range",
    )
    first_depth: bool = paper(
        False,
        "section 3.3: depth of every frame; true keeps each point's depth in frame 0, the tracking video of Table 4",
        later=True,
    )
    match_within: float = ours(
        1.5, "greatest distance at which a colour matches an anchor, in anchor spacings", POSITIVE
    )

    __post_init__ = check_ranges


@dataclass(frozen=True)
class FlowConfig:
    """Options of rectified flow: the sampler's steps, the noise levels of training, and classifier-free guidance."""

    steps: int = ours(50, "number of sampling steps, as for the base model", COUNT)
    shift: float = ours(5.0, "shift of the sampler's grid, as for the base model", POSITIVE)
    training_shift: float = paper(1.0, "Algorithm 1, line 5: t is uniform, so the shift is 1", POSITIVE)
    error_of: Literal["velocity", "clean"] = paper("velocity", "equations 3 and 4")
    """Quantity whose squared error is the loss: the velocity, or the clean data z_0 = z_t - t v, which weighs an error by t squared."""
    text_guidance_scale: float = ours(5.0, "text guidance scale, video only; the base model's value", NOT_NEGATIVE)

    __post_init__ = check_ranges


@dataclass(frozen=True)
class CycleConfig:
    """Options of the closed loop between the joint diffusion model and the points aligner (SyncMV4D paper, section 3.5, Algorithm 1)."""

    reading: Literal["x0", "algorithm1_literal"] = ours(
        "x0",
        "latents decoded as coarse motion; x0 estimates clean motion, algorithm1_literal takes noisy motion as printed in lines 7 and 11",
    )
    guidance: bool = ours(True, "whether there is guidance; false is Table 3's row without the cycle")
    first_guidance: Literal["none", "anchors"] = ours(
        "none",
        "guidance before there are refined tracks, as in the first sampling step; anchors draws the points held still where the request has them, all"
        " at the middle depth",
    )
    first_guidance_dropout: float = ours(
        0.0, "share of training samples whose first guidance is left out, for requests without anchors", SHARE
    )
    warmup_guidance: bool = ours(
        False,
        "whether warm-up iterations with guidance (guidance_share) show the diffusion model true tracks with a random share of their motion, like"
        " refined tracks of a points aligner in training",
    )
    loss_points: int | None = ours(
        None, "number of random points of each view in the points aligner's loss; None takes all", COUNT
    )
    guidance_share: float = ours(
        0.5,
        "share of training iterations with guidance; the rest train for the first sampling step, which has none",
        SHARE,
    )
    gradient: Literal["full", "depth_scale", "none"] = ours(
        "none",
        "gradient of the coarse tracks; the paper does not detach them, but backward through the decoder does not fit in memory with 5 B",
    )
    text_dropout: float = ours(0.1, "share of training samples without a prompt", SHARE)
    word_dropout: float = ours(
        0.0,
        "share of the words of a prompt that a training sample has as the unknown word, for models whose text encoder is a table of words",
        SHARE,
    )
    unit: float = ours(0.2, "metres per unit of the scene frame, so that tracks have about unit variance", POSITIVE)
    prior_depth: float = ours(
        1.7,
        "metres from a camera to the centre of the scene frame if rays do not intersect, as with one view;"
        " TACO's 12 cameras are 1.36 to 2.06 m from the point that they face, 1.69 m in the median, and synthetic ones are at the same places",
        POSITIVE,
    )
    loop_every: int = ours(1, "number of sampling steps from one run of the loop to the next", COUNT)
    loop_start: float = ours(1.0, "noise level at and below which the loop runs", SHARE)

    __post_init__ = check_ranges

    @property
    def guidance_probability(self) -> float:
        """Share of training iterations in which the joint diffusion model gets guidance from the points aligner; 0 if ``guidance`` is off."""
        return self.guidance_share if self.guidance else 0.0

    def is_looped(self, step: int, t: float, *, is_last: bool) -> bool:
        """Return whether sampling step ``step`` (from 0), at noise level ``t``, decodes coarse tracks for the points aligner.

        The last step always does, since its tracks are the result.
        """
        return is_last or (t <= self.loop_start and step % self.loop_every == 0)


@dataclass(frozen=True)
class SyncMV4DConfig:
    """Configuration of the complete model, for videos of N frames of H x W pixels.

    Raises:
        ValueError: frames, height or width does not divide into latents and patches, or the two models have different numbers of views.
    """

    frames: int = paper(49, "section 4.2: N")
    height: int = paper(480, "section 4.2: H")
    width: int = paper(704, "section 4.2: W")
    text_tokens: int = paper(512, "section 4.2: L", COUNT)
    parts: Literal["wan", "random", "fitted"] = paper(
        "wan", "section 4.2: the base model's autoencoder and text encoder"
    )
    """The autoencoder and the text encoder: Wan's, or ones that ``prepare`` makes if it is not given any: ``random`` ones, or ``fitted`` ones, which
    are an autoencoder fitted to the split's clips and a table of the words in its prompts."""
    aligner: bool = paper(
        True, "section 3.4: the points aligner; false is Table 3's row without it, and has no guidance", later=True
    )
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
        if self.parts == "wan" and self.cycle.word_dropout:
            raise ValueError(
                f"cycle.word_dropout is {self.cycle.word_dropout}: expected 0 with Wan's text encoder, whose tokens are no words"
            )
        if (self.parts == "fitted") != (self.vae.kind == "linear"):
            raise ValueError(
                f"parts is {self.parts!r}, vae.kind {self.vae.kind!r}: expected 'fitted' and 'linear' together, or neither"
            )
        if self.aligner and not self.gives_tracks:
            raise ValueError(
                "aligner is true, but there are no tracks to align (mjd.motion, pseudo_video.first_depth): expected false"
            )
        if self.cycle.guidance and not self.aligner:
            raise ValueError(
                "cycle.guidance is true, but aligner is false: expected false, guidance is the aligner's tracks"
            )
        self.latent_grid(self.frames, self.height, self.width)

    @property
    def gives_tracks(self) -> bool:
        """Whether the model gives tracks: it generates motion, and motion has the depth of every frame."""
        return self.mjd.motion and not self.pseudo_video.first_depth

    def latent_grid(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """Return the size (n, h, w) of a video's latents: 1 + (N - 1) / r_n, H / r_h, W / r_w, with the strides (r_n, r_h, r_w) of ``vae.stride``.

        Raises:
            ValueError: names the number that does not divide, and the nearest ones that do.
        """
        stride, patch = self.vae.stride, self.mjd.patch_size
        if frames < 1 or (frames - 1) % stride[0]:
            n = max(0, (frames - 1) // stride[0])
            raise ValueError(
                f"{frames} frames: expected {stride[0]} n + 1, such as {stride[0] * n + 1} or {stride[0] * (n + 1) + 1}"
            )
        for name, length, step in (("height", height, stride[1] * patch[1]), ("width", width, stride[2] * patch[2])):
            if length < step or length % step:
                low = max(step, length // step * step)
                raise ValueError(f"{name} is {length}: expected a multiple of {step}, such as {low} or {low + step}")
        return 1 + (frames - 1) // stride[0], height // stride[1], width // stride[2]


def with_mjd(config: SyncMV4DConfig, **changes: Any) -> SyncMV4DConfig:
    """Return a copy of a configuration with the given fields of ``config.mjd`` replaced; ``config.dpa`` gets the same number of views."""
    mjd = replace(config.mjd, **changes)
    return replace(config, mjd=mjd, dpa=replace(config.dpa, views=mjd.views))
