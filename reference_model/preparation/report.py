"""What the command tells of a cache that it prepared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hoibench.datasets.base import Manifest
from reference_model.preparation.clips import Outcome


def facts_of(out: Path, outcomes: Sequence[Outcome], manifest: Manifest, prompts: tuple[int, int]) -> dict[str, Any]:
    """What became of each view, JSON-serialisable; ``prompts`` are how many were made and kept."""
    counts = Counter(outcome.status for outcome in outcomes)
    return {
        "out": str(out),
        "clips": len({outcome.clip for outcome in outcomes}),
        "views": {status: counts[status] for status in ("made", "kept", "broken")},
        "broken": {f"{each.clip}/{each.view}": each.reason for each in outcomes if each.status == "broken"},
        "left_out": dict(Counter(manifest.left_out.values()).most_common()),
        "prompts": dict(zip(("made", "kept"), prompts, strict=True)),
    }


def as_text(facts: Mapping[str, Any]) -> str:
    """The same in lines."""
    lines = [f"left out, {count}: {reason}" for reason, count in facts["left_out"].items()]
    lines += [f"broken  {key}  {reason}" for key, reason in facts["broken"].items()]
    for name in ("views", "prompts"):
        lines.append(f"{name}: " + ", ".join(f"{count} {status}" for status, count in facts[name].items()))
    return "\n".join([*lines, facts["out"]])
