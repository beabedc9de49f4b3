"""The configuration of the model: every number with its origin (the paper's section, or our reason), and the presets."""

from reference_model.config.models import (
    LITERAL,
    PRESETS,
    CycleConfig,
    DPAConfig,
    FlowConfig,
    MJDConfig,
    PseudoVideoConfig,
    SyncMV4DConfig,
    VAEConfig,
    literal_twin,
    preset,
    with_mjd,
)

__all__ = [
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
    "with_mjd",
]
