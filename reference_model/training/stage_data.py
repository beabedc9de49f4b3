"""What the stages of a training draw from: one latent cache for each size of video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reference_model.cache import LatentCache
from reference_model.training.config import Launch
from reference_model.training.data import TrainingData


def open_stages(
    folders: Sequence[Path], launch: Launch, preset: str
) -> tuple[dict[str, LatentCache], list[TrainingData]]:
    """The caches by their size, HxW, and what each stage draws from.

    Args:
        folders: of the caches.
        launch: the model and its training.
        preset: name of the model, for the command that errors give.

    Raises:
        FileNotFoundError: a folder is no cache.
        ValueError: two caches are of one size, a stage has none of its size, or as ``TrainingData``.
    """
    opened = [LatentCache(folder) for folder in folders]
    caches = {f"{each.origin.height}x{each.origin.width}": each for each in opened}
    if len(caches) < len(opened):
        raise ValueError(f"--cache names several of one size ({', '.join(map(str, folders))}): give one of each")
    data = []
    for stage in launch.training.stages:
        height, width = stage.size
        cache = caches.get(f"{height}x{width}")
        if cache is None:
            raise ValueError(
                f"stage {stage.name} needs a cache of {height}x{width}, --cache has {', '.join(caches)}:"
                f" run python -m reference_model.prepare --preset {preset} --size {height} {width} with the rest of its words"
            )
        sized = replace(launch.model, height=height, width=width)
        data.append(TrainingData(cache, sized, seed=launch.training.seed, share=stage.data))
    return caches, data
