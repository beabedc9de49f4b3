"""The configuration of the model: every number with its origin (the paper's section, or our reason), and the presets."""

from reference_model.config.models import (
    CycleConfig,
    DPAConfig,
    FlowConfig,
    MJDConfig,
    PseudoVideoConfig,
    SyncMV4DConfig,
    VAEConfig,
    with_mjd,
)
from reference_model.config.presets import ABLATIONS, LITERAL, PRESETS, literal_twin, preset, with_changes

__all__ = [
    "ABLATIONS",
    "LITERAL",
    "PRESETS",
    "CycleConfig",
    "DPAConfig",
    "FlowConfig",
    "MJDConfig",
    "PseudoVideoConfig",
    "SyncMV4DConfig",
    "VAEConfig",
    "literal_twin",
    "preset",
    "with_changes",
    "with_mjd",
]
