"""The data set ``synthetic``: clips of synthetic@1, each generated when first loaded, and read back as TACO is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import ClassVar

from hoibench.clip import Clip
from hoibench.datasets.base import ClipEntry, Dataset, Manifest, Progress
from hoibench.datasets.cache import cache_dir, ensure_folder
from hoibench.datasets.manifests import Line, Splits

POINTS = 256
"""K of protocol "synthetic"."""

_SPLIT = "synthetic@1"
# What decides the bytes of a clip on disk, under the package hoibench.
_GENERATOR = (
    "datasets/rays.py",
    "datasets/surfaces.py",
    "datasets/synthetic",
    "datasets/taco",
    "datasets/zbuffer.py",
    "video/encoding.py",
)


class SyntheticDataset(Dataset):
    """synthetic@1 in the cache, or in ``root``: one small TACO tree for each clip, named by its key."""

    name: ClassVar[str] = "synthetic"
    kind: ClassVar[str] = "synthetic"
    default_split: ClassVar[str] = "demo"

    def __init__(self, root: Path, progress: Progress | None = None) -> None:
        self._folder = root / f"{_SPLIT}-{generator_version()}"
        self._progress = progress

    @classmethod
    def open(cls, root: Path | None, progress: Progress | None = None) -> SyntheticDataset:
        """The data set in the cache, or in ``root`` in its place; nothing is generated yet."""
        return cls(root or cache_dir(), progress)

    def splits(self) -> tuple[str, ...]:
        """See ``Dataset``."""
        return self._splits.parts

    def manifest(self, split: str) -> Manifest:
        """See ``Dataset``."""
        return self._splits.manifest(split.removeprefix(f"{_SPLIT}/"))

    def load(self, entry: ClipEntry) -> Clip:
        """The clip, generated first if it is not there yet, which takes some seconds.

        Raises:
            ValueError: the split has no such clip.
            OSError: the cache cannot be written; names HOIBENCH_CACHE.
        """
        # Imported here, so that splits are listed where the extras that read clips are not installed.
        from hoibench.datasets.taco.clips import load_clip
        from hoibench.datasets.taco.layout import Tree

        line = self._line(entry)
        tree = Tree(self.generate(entry))
        return load_clip(
            tree, entry.id, line.entry.serials, line.source, points=POINTS, truth="synthetic", tags=entry.tags
        )

    def generate(self, entry: ClipEntry) -> Path:
        """The root of a clip's TACO tree, made first if it is not there yet; errors as ``load``."""
        line = self._line(entry)
        folder = self._folder / entry.id
        if not folder.is_dir() and self._progress is not None:
            self._progress(f"generating synthetic clip {entry.id}")
        ensure_folder(folder, lambda root: _write(root, line))
        return folder

    def _line(self, entry: ClipEntry) -> Line:
        try:
            return self._lines[entry.id]
        except KeyError:
            raise ValueError(
                f"{_SPLIT} has no clip {entry.id!r}: take entries from SyntheticDataset.manifest"
            ) from None

    @cached_property
    def _splits(self) -> Splits:
        return Splits(_SPLIT)

    @cached_property
    def _lines(self) -> dict[str, Line]:
        return {line.entry.id: line for part in self.splits() for line in self._splits.lines(part)}


def _write(root: Path, line: Line) -> None:
    from hoibench.datasets.synthetic.scene import build_scene
    from hoibench.datasets.synthetic.writer import write_clip

    triplet, source = line.entry.triplet, line.source
    if triplet is None or source is None:
        raise ValueError(f"clip {line.entry.id} has no triplet or no source camera in its manifest")
    recipe = line.recipe
    scene = build_scene(triplet, recipe["tool_instance"], recipe["target_instance"], recipe["seed"])
    write_clip(root, line.entry.id, scene, (*line.entry.serials, source), recipe["seed"])


@cache
def generator_version() -> str:
    """First 12 hex digits of the hash of the generator's own files: clips made by other code are never taken for these."""
    digest = hashlib.sha256()
    for path in _GENERATOR:
        for name, item in _sources(files("hoibench") / path, path):
            digest.update(f"{name}\0{item.read_text(encoding='utf-8')}\0".encode())
    return digest.hexdigest()[:12]


def _sources(item: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    if item.is_dir():
        for inner in sorted(item.iterdir(), key=lambda inner: inner.name):
            yield from _sources(inner, f"{name}/{inner.name}")
    elif item.name.endswith((".py", ".toml")):
        yield name, item
