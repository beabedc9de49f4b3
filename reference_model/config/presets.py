"""The presets of the model: named configurations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reference_model.ablations.rows import BASES, ROWS, SIZES, START, START_CHANGES, all_changes
from reference_model.config.models import (
    CycleConfig,
    DPAConfig,
    FlowConfig,
    MJDConfig,
    PseudoVideoConfig,
    SyncMV4DConfig,
    VAEConfig,
)

PRESETS: dict[str, SyncMV4DConfig] = {
    "wan22_5b": SyncMV4DConfig(),
    "nano": SyncMV4DConfig(
        frames=25,
        height=128,
        width=192,
        text_tokens=16,
        parts="random",
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
        flow=FlowConfig(steps=2),
    ),
    "micro": SyncMV4DConfig(
        frames=25,
        height=128,
        width=192,
        text_tokens=16,
        parts="fitted",
        mjd=MJDConfig(
            num_attention_heads=5,
            attention_head_dim=32,
            in_channels=48,
            text_dim=64,
            freq_dim=64,
            ffn_dim=640,
            num_layers=6,
            patch_size=(1, 4, 4),
            scale_tokens_see_K=True,
            predicts="clean",
            residual=True,
        ),
        vae=VAEConfig(kind="linear", stride=(4, 8, 8)),
        dpa=DPAConfig(width=96, heads=4, num_layers=3, window=384, temporal=True, predicts="corrections"),
        pseudo_video=PseudoVideoConfig(points=256),
        flow=FlowConfig(steps=2, training_shift=3.0, error_of="clean", text_guidance_scale=1.0),
        cycle=CycleConfig(
            gradient="depth_scale",
            word_dropout=0.1,
            first_guidance="anchors",
            first_guidance_dropout=0.05,
            warmup_guidance=True,
            loss_points=32,
        ),
    ),
}
"""Presets (named configurations): ``wan22_5b`` is the paper's model; ``micro`` is a small one, trained on synthetic clips; ``nano`` is one for tests
(tokens have 96 channels, since a patch has 16 x 4 = 64 numbers).  Each has a twin, ``NAME_literal``, that follows Algorithm 1 of the paper as
printed."""

LITERAL = "_literal"


def literal_twin(config: SyncMV4DConfig) -> SyncMV4DConfig:
    """Return a copy of a configuration that follows Algorithm 1 of the SyncMV4D paper as printed.

    Noisy motion is decoded, every training iteration has guidance, coarse tracks pass gradients, the points aligner predicts velocities, and the
    embedding of guidance starts as a copy of the videos' patch embedding.
    """
    return replace(
        config,
        mjd=replace(config.mjd, guidance_init="patch_embedding"),
        dpa=replace(config.dpa, predicts="velocity"),
        cycle=replace(config.cycle, reading="algorithm1_literal", guidance_share=1.0, gradient="full"),
    )


PRESETS |= {name + LITERAL: literal_twin(config) for name, config in PRESETS.items()}


def with_changes(config: SyncMV4DConfig, changes: Mapping[str, Any]) -> SyncMV4DConfig:
    """Return a copy of a configuration with some fields replaced, given by dotted name, such as ``cycle.guidance``."""
    own: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        part, _, field = name.rpartition(".")
        (parts.setdefault(part, {}) if part else own)[field] = value
    return replace(config, **own, **{part: replace(getattr(config, part), **fields) for part, fields in parts.items()})


ABLATIONS: dict[str, SyncMV4DConfig] = {
    f"{base}-{name}": with_changes(PRESETS[base], {**SIZES.get(base, {}), **changes})
    for base in BASES
    for name, changes in {START: START_CHANGES, **{name: all_changes(name) for name in ROWS}}.items()
}
"""The rows of Tables 3 and 4 of the SyncMV4D paper, and the start of their training, of each base (``reference_model.ablations.rows``)."""


def preset(name: str) -> SyncMV4DConfig:
    """Return the configuration of the preset ``name``, such as ``wan22_5b``, or of a row of an ablation, such as ``micro-no_cycle``.

    >>> from reference_model.config import preset
    >>> config = preset("wan22_5b")
    >>> config.latent_grid(config.frames, config.height, config.width)
    (13, 30, 44)

    Raises:
        ValueError: there is no preset of this name.
    """
    presets = PRESETS | ABLATIONS
    if name not in presets:
        raise ValueError(
            f"there is no preset {name!r}: expected one of {', '.join(PRESETS)}, or a row such as micro-full"
        )
    return presets[name]
