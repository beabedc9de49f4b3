"""The data set ``videos``: multi-view output videos of published methods without truth or cameras, listed in a manifest.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from hoibench.clip import Clip, Prediction, View
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset, Grid, Manifest
from hoibench.datasets.videos_manifest import VideosManifest
from hoibench.plugins import UnknownName, get_by_name
from hoibench.progress import MessageCallback
from hoibench.store import read_json, sampled_digest, sha256_json
from hoibench.video import VideoError, probe

_FPS_TOLERANCE = 0.01


class VideosDataset(Dataset):
    """A folder of multi-view videos that methods generated; manifest.json lists the methods, clips and views.

    Every view is scored, including the input view of video-to-video methods; without it, there would be fewer pairs of views to compare.
    """

    name: ClassVar[str] = "videos"
    kind = "measured"
    default_split: ClassVar[str] = "all"
    has_truth: ClassVar[bool] = False

    def __init__(self, root: Path, manifest: VideosManifest, split_id: str) -> None:
        self.root = root
        self._manifest = manifest
        self._split_id = split_id
        self.grid = Grid(len(manifest.views), manifest.frames, manifest.size, 0, manifest.fps)

    @classmethod
    def open(cls, root: Path | None, on_message: MessageCallback | None = None) -> VideosDataset:
        """Open the folder ``root`` by its manifest.json; ``published_prediction`` checks the videos.

        Raises:
            FileNotFoundError: there is no root, or it has no manifest.json.
            ValueError: the manifest is invalid; names file, key, value and expectation.
        """
        if root is None:
            raise FileNotFoundError(
                "--dataset videos needs --root DIR: a folder with manifest.json and the videos that it lists"
            )
        path = root / "manifest.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; --root must be the folder with manifest.json")
        table = read_json(path, VideosManifest.SCHEMA)
        return cls(root, VideosManifest.read(path), sha256_json(table)[:12])

    def splits(self) -> tuple[str, ...]:
        """Return the only split, ``all``."""
        return ("all",)

    def manifest(self, split: str) -> Manifest:
        """Return every clip of the folder, sorted by id; the split's id is a hash of the values in manifest.json.

        Raises:
            UnknownName: the split is not ``all``.
        """
        if split not in self.splits():
            raise UnknownName("split", split, self.splits())
        entries = tuple(ClipEntry(clip, camera_ids=self._manifest.views) for clip in sorted(self._manifest.prompts))
        return Manifest("videos@1/all", self._split_id, entries)

    def load(self, entry: ClipEntry) -> Clip:
        """Return a clip with its prompt, views, rate and size, without truth.

        Raises:
            UnknownName: the manifest has no such clip.
        """
        manifest = self._manifest
        return Clip(
            id=entry.id,
            triplet=None,
            prompt=get_by_name("clip", entry.id, manifest.prompts),
            views=tuple(View(view) for view in manifest.views),
            source_views=(),
            fps=manifest.fps,
            frames=manifest.frames,
            size=manifest.size,
        )

    def published(self) -> Mapping[str, str]:
        """Return id -> full name of the methods in manifest.json."""
        return {id: method.name for id, method in self._manifest.methods.items()}

    def published_digest(self, method: str) -> str:
        """Return a digest (12 hex digits) of those videos of a method that exist."""
        manifest = self._manifest
        paths = (self.root / manifest.file(method, clip, view) for clip in manifest.prompts for view in manifest.views)
        contents = {path.relative_to(self.root).as_posix(): sampled_digest(path) for path in paths if path.is_file()}
        return sha256_json(contents)[:12]

    def published_prediction(self, method: str, entry: ClipEntry) -> Prediction:
        """Return the videos of a method for a clip, as a prediction with their paths, after checking each file against manifest.json.

        Raises:
            UnknownName: the manifest has no such method or clip.
            FileNotFoundError: a view's file is missing.
            VideoError: a file is not a complete video, or its length, size or rate differs from the manifest.
        """
        manifest = self._manifest
        get_by_name("method", method, manifest.methods)
        get_by_name("clip", entry.id, manifest.prompts)
        paths = tuple(self.root / manifest.file(method, entry.id, view) for view in manifest.views)
        for path in paths:
            self._check(path)
        facts = {"name": manifest.methods[method].name, "paper": manifest.methods[method].paper}
        origin = {"source": manifest.source, "licence": manifest.licence, "source_view": manifest.source_view}
        return Prediction(video=paths, provenance={**facts, **origin})

    def _check(self, path: Path) -> None:
        found, manifest = probe(path), self._manifest
        same_fps = abs(found.fps - manifest.fps) <= _FPS_TOLERANCE * manifest.fps
        for name, value, expected in (
            ("frames", found.frames, manifest.frames),
            ("(H, W)", (found.height, found.width), manifest.size),
            ("fps", manifest.fps if same_fps else found.fps, manifest.fps),
        ):
            if value != expected:
                raise VideoError(
                    f"{path} has {name} {value}, expected {expected} from {self.root / 'manifest.json'}: "
                    "replace the file or correct the manifest"
                )
