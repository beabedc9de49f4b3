"""The model card of a published model: facts from the records of its training, and limits written by hand in the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from hoibench.store import sha256_file
from hoibench.text import count
from reference_model.cache import LatentCache
from reference_model.config import SyncMV4DConfig, preset
from reference_model.loading.model_folder import read_config_and_digest
from reference_model.loading.weights import open_weights
from reference_model.training.loss_log import LossEntry, read_losses
from reference_model.training.run_folder import RunFolder, RunSettings, Session

TEMPLATE = Path(__file__).with_name("model_card.md")
LIMITS = "## Limits"
"""Head of the part of the card that is written by hand."""
CURVE_ROWS = 6
"""Rows of a stage in the table of the loss curve, each a mean over a part of the stage."""
LOSSES = ("video", "motion", "points", "chamfer", "depth_range_error")


def build_model_card(
    name: str, model: Path, run: RunFolder, iterations: int, caches: Sequence[LatentCache], *, is_shipped: bool
) -> str:
    """Return the model card (Markdown) of a trained model; it names no folder and no host.

    Args:
        name: the model's preset.
        model: the model's folder, as published.
        run: the folder of its training.
        iterations: number of iterations after which it is published, at most that of all stages.
        caches: the latent caches of the training.
        is_shipped: whether it is the preset's model that is part of hoibench, which has recorded results.

    Raises:
        ValueError: a record of the training is damaged.
    """
    settings, (config, _) = run.read_settings(), read_config_and_digest(model)
    sessions = [session for session in run.read_sessions() if session.iteration < iterations]
    losses = [entry for entry in read_losses(run.losses) if entry.iteration < iterations]
    stages = stage_iterations(settings, iterations)
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701  (Markdown)
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        name=name,
        is_shipped=is_shipped,
        config=config,
        changes=config_changes(preset(name), config),
        parameters={part: count_parameters(model / part) for part in ("mjd", "dpa") if (model / part).is_dir()},
        files=[
            (path.relative_to(model).as_posix(), path.stat().st_size, sha256_file(path)[:12])
            for path in sorted(model.rglob("*"))
            if path.is_file()
        ],
        caches=[(cache.settings, len(cache.clips)) for cache in caches],
        training=settings.training,
        iterations=iterations,
        stages=[
            (stage, stages[stage.name], stage_minutes(losses, stage.name, stages[stage.name]))
            for stage in settings.training.stages
        ],
        environments=list(dict.fromkeys(describe_environment(session) for session in sessions)),
        sessions=len(sessions),
        processes=sessions[0].processes,
        losses=LOSSES,
        curve=[row for name in stages for row in summarize_curve(losses, name)],
    )


def config_changes(expected: SyncMV4DConfig, config: SyncMV4DConfig) -> list[str]:
    """Return the fields in which a configuration differs from that of its preset, as texts."""
    values = [_flatten(asdict(each)) for each in (expected, config)]
    return [
        f"`{key}` {value} (preset: {values[0][key]})" for key, value in values[1].items() if value != values[0][key]
    ]


def count_parameters(folder: Path) -> int:
    """Return the number of parameters stored in a folder of weights."""
    total = 0
    for shape in open_weights(folder).all_shapes().values():
        count = 1
        for length in shape:
            count *= length
        total += count
    return total


def stage_iterations(settings: RunSettings, iterations: int) -> dict[str, int]:
    """Return how many of the first ``iterations`` belong to each stage, by the stage's name."""
    done = {}
    for stage in settings.training.stages:
        done[stage.name] = min(stage.iterations, iterations - sum(done.values()))
    return done


def stage_minutes(losses: Sequence[LossEntry], stage: str, iterations: int) -> float:
    """Return the duration of a stage's iterations in minutes, estimated from those in the loss curve."""
    seconds = [entry.seconds for entry in losses if entry.stage == stage]
    return iterations * sum(seconds) / len(seconds) / 60 if seconds else 0.0


def summarize_curve(losses: Sequence[LossEntry], stage: str) -> list[tuple[str, int, list[float]]]:
    """Return the loss curve of a stage as rows: stage, last iteration (counted from 1 over all stages), and means of ``LOSSES`` over a part of it."""
    entries = [entry for entry in losses if entry.stage == stage]
    count = min(CURVE_ROWS, len(entries))
    rows = []
    for part in range(count):
        chosen = entries[part * len(entries) // count : (part + 1) * len(entries) // count]
        means = [sum(getattr(entry, name) for entry in chosen) / len(chosen) for name in LOSSES]
        rows.append((stage, chosen[-1].iteration + 1, means))
    return rows


def describe_environment(session: Session) -> str:
    """Return the processes, machine, Python, torch and commit of a session of the training as one text."""
    facts = session.provenance
    git = facts.get("git") or {}
    commit = f"commit {git['commit'][:12]}" if git else "no commit"
    dirty = " with changes" if git.get("dirty") else ""
    processes = count(session.processes, "process", "processes")
    torch = facts["versions"].get("torch", "unknown")
    return f"{processes}; {facts['hardware']}; Python {facts['python']}, torch {torch}; {commit}{dirty}"


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
