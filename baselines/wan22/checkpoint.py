"""Checks of a copy of Wan2.2-TI2V-5B-Diffusers by the names of its files and its indices, without reading weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hoibench.problems import Problem

DOWNLOAD = "hf download Wan-AI/Wan2.2-TI2V-5B-Diffusers --local-dir FOLDER"

_INDEX = "model_index.json"
_PIPELINES = ("WanPipeline", "WanImageToVideoPipeline")
"""The pipelines that the index of a 5B folder may name; the published one names the first, which takes no image."""
_CONFIGS = (
    "transformer/config.json", "vae/config.json", "text_encoder/config.json", "tokenizer/tokenizer_config.json", "scheduler/scheduler_config.json",
)  # fmt: skip
_WEIGHTS = (
    "transformer/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors",
)  # fmt: skip
"""The files with weights; instead of each, there may be shards, which ``FILE.index.json`` names."""
_VOCABULARIES = ("tokenizer/tokenizer.json", "tokenizer/spiece.model")


def find_problems(folder: Path) -> Iterator[Problem]:
    """Yield what is wrong with a copy of Wan2.2-TI2V-5B-Diffusers: missing files, or the index of another model."""
    index = _read_json(folder / _INDEX)
    if index is None:
        yield Problem(str(folder), "", f"has no readable {_INDEX}", "a copy of Wan2.2-TI2V-5B-Diffusers", DOWNLOAD)
        return
    if index.get("_class_name") not in _PIPELINES or index.get("expand_timesteps") is not True:
        found = f"is {index.get('_class_name')} with expand_timesteps {index.get('expand_timesteps')}"
        yield Problem(str(folder / _INDEX), "", found, "that of the 5B model, WanPipeline with true", DOWNLOAD)
    missing = [name for name in _CONFIGS if not (folder / name).is_file()]
    for name in _WEIGHTS:
        missing += _find_missing_weights(folder, name)
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        missing.append(" or ".join(_VOCABULARIES))
    if missing:
        yield Problem(str(folder), "", f"lacks {', '.join(missing)}", "", DOWNLOAD)


def _find_missing_weights(folder: Path, name: str) -> list[str]:
    if (folder / name).is_file():
        return []
    index = _read_json(folder / f"{name}.index.json")
    if index is None:
        return [name]
    part = Path(name).parent
    shards = sorted({str(part / shard) for shard in dict(index.get("weight_map", {})).values()})
    return [shard for shard in shards if not (folder / shard).is_file()]


def _read_json(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, or None if the file is missing or contains none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
