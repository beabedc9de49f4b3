"""hoibench: a benchmark for synchronized multi-view hand-object-interaction video and 4D motion generation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hoibench.evaluation.score import score

__all__ = ["__version__", "score"]
__version__ = "0.1.0.dev0"


def __getattr__(name: str) -> Any:
    if name == "score":  # imported on first use, since it needs torch
        from hoibench.evaluation.score import score

        return score
    raise AttributeError(f"module 'hoibench' has no attribute {name!r}")
