"""The identity of a run: everything that decides its values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hoibench.datasets.base import Dataset
from hoibench.methods.method import Entrant
from hoibench.methods.spec import Spec
from hoibench.plugins import find_source_file, is_built_in
from hoibench.predictions import prediction_folder
from hoibench.reference_rows import PUBLISHED
from hoibench.store import sampled_digest, sha256_file, sha256_json

_DECIDING_FIELDS = (
    "families",
    "view_type",
    "outputs",
    "pairing",
    "scale",
    "deterministic",
    "weights",
    "regions",
    "kind",
)
"""Fields of a spec that decide a run's values; the others describe the method or locate its files."""


def entrant_identity(entrant: Entrant, content: str | None) -> dict[str, Any]:
    """Return everything that decides an entrant's predictions: its spec, the contents of its settings, and its ``content_digest``."""
    spec = entrant.spec.model_dump(mode="json", include=set(_DECIDING_FIELDS))
    settings = {
        name: sampled_digest(value) if isinstance(value, Path) else value
        for name, value in entrant.settings.items()
        if entrant.spec.settings[name].affects_predictions
    }
    return {"id": entrant.key, **spec, "settings": settings, "content": content}


def content_digest(spec: Spec, dataset: Dataset, clips: Iterable[str], seeds: Iterable[int]) -> str | None:
    """Return a digest of a method's source file or stored predictions; None if the version of hoibench determines its predictions.

    It covers the source file of an adapter or third-party method, the commit of the upstream code that a built-in method wraps, published
    files, and in a folder of predictions those of the run's clips.
    """
    if spec.kind == "published":
        return dataset.published_digest(spec.id.removeprefix(PUBLISHED))
    if spec.folder is not None:
        folders = {prediction_folder(spec.folder, clip, seed) for clip in clips for seed in seeds}
        found = {f.relative_to(spec.folder).as_posix(): sampled_digest(f) for f in folders if f.is_dir()}
        return sha256_json(found)[:12]
    if not spec.entry or is_built_in(spec.entry):
        return None if spec.upstream is None else spec.upstream.commit
    source = find_source_file(spec.entry)
    return None if source is None else sha256_file(source)[:12]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the differences between two identities, a line each."""
    lines = []
    for key in [*old, *(key for key in new if key not in old)]:
        a, b = old.get(key), new.get(key)
        if a == b:
            continue
        if isinstance(a, list) and isinstance(b, list):
            named_a, named_b = _by_name(a), _by_name(b)
            removed, added = [n for n in named_a if n not in named_b], [n for n in named_b if n not in named_a]
            changed = [
                f"{n} ({_changes(named_a[n], named_b[n])})"
                for n in named_a
                if n in named_b and named_a[n] != named_b[n]
            ]
            parts = (_list("without", removed), _list("with", added), _list("changed", changed))
            lines.append(f"{key}: " + ("; ".join(filter(None, parts)) or "in another order"))
        else:
            lines.append(f"{key}: {a} -> {b}")
    return lines


def _by_name(items: list[Any]) -> dict[str, Any]:
    return {str(item["id"]) if isinstance(item, dict) else str(item): item for item in items}


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {a.get(key)} -> {b.get(key)}" for key in {**a, **b} if a.get(key) != b.get(key))


def _list(word: str, names: list[str]) -> str:
    return f"{word} {', '.join(names)}" if names else ""
