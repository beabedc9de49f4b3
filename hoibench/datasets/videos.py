"""Videos only: clips of any methods in several views, described by a manifest.json, without truth and without cameras."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from hoibench.clip import Clip, Prediction, View
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset, Grid, Manifest
from hoibench.datasets.videos_manifest import VideosManifest
from hoibench.plugins import UnknownName
from hoibench.progress import MessageCallback
from hoibench.store import read_json, sampled_digest, sha256_json
from hoibench.video import VideoError, probe

_FPS_TOLERANCE = 0.01


class VideosDataset(Dataset):
    """A folder of multi-view videos; the methods in its manifest are its ``published`` ones.

    Every view is scored, the source view of video-to-video methods too: they all had it, and leaving it out would leave its pairs out.
    """

    name: ClassVar[str] = "videos"
    kind = "measured"
    default_split: ClassVar[str] = "all"
    has_truth: ClassVar[bool] = False

    def __init__(self, root: Path, manifest: VideosManifest, split_id: str) -> None:
        self.root = root
        self._manifest = manifest
        self._split_id = split_id
        self.grid = Grid(len(manifest.views), manifest.frames, manifest.size, 0)

    @classmethod
    def open(cls, root: Path | None, on_message: MessageCallback | None = None) -> VideosDataset:
        """The data set of ``root``/manifest.json; the videos themselves are checked clip by clip, when they are asked for.

        Raises:
            FileNotFoundError: no root is given, or there is no manifest.json in it.
            ValueError: the manifest is not one; names the file, the key, the value and what belongs there.
        """
        if root is None:
            raise FileNotFoundError(
                "--dataset videos needs --root DIR, a folder with manifest.json and the videos it names"
            )
        path = root / "manifest.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; --root names the folder that holds manifest.json")
        table = read_json(path, VideosManifest.SCHEMA)
        return cls(root, VideosManifest.read(path), sha256_json(table)[:12])

    def splits(self) -> tuple[str, ...]:
        """The one split, ``all``."""
        return ("all",)

    def manifest(self, split: str) -> Manifest:
        """Every clip of the folder; the split's id is the hash of manifest.json's content, however it is laid out.

        Raises:
            UnknownName: the split is not ``all``.
        """
        if split not in self.splits():
            raise UnknownName("split", split, self.splits())
        entries = tuple(ClipEntry(clip, camera_ids=self._manifest.views) for clip in sorted(self._manifest.prompts))
        return Manifest("videos@1/all", self._split_id, entries)

    def load(self, entry: ClipEntry) -> Clip:
        """The clip: its views, rate and size, and no truth.

        Raises:
            UnknownName: the manifest has no such clip.
        """
        manifest = self._manifest
        if entry.id not in manifest.prompts:
            raise UnknownName("clip", entry.id, manifest.prompts)
        return Clip(
            id=entry.id,
            triplet=None,
            prompt=manifest.prompts[entry.id],
            views=tuple(View(view) for view in manifest.views),
            source_views=(),
            fps=manifest.fps,
            frames=manifest.frames,
            size=manifest.size,
        )

    def published(self) -> Mapping[str, str]:
        """The manifest's methods: id -> full name."""
        return {id: method.name for id, method in self._manifest.methods.items()}

    def published_digest(self, method: str) -> str:
        """A digest of the method's files that are there."""
        manifest = self._manifest
        paths = (self.root / manifest.file(method, clip, view) for clip in manifest.prompts for view in manifest.views)
        contents = {path.relative_to(self.root).as_posix(): sampled_digest(path) for path in paths if path.is_file()}
        return sha256_json(contents)[:12]

    def published_prediction(self, method: str, entry: ClipEntry) -> Prediction:
        """A method's videos of a clip, as paths, each file checked against the manifest.

        Raises:
            UnknownName: the manifest has no such method or clip.
            FileNotFoundError: a view's file is missing.
            VideoError: a file is no whole video, or its length, size or rate is not the manifest's.
        """
        manifest = self._manifest
        if method not in manifest.methods:
            raise UnknownName("method", method, manifest.methods)
        if entry.id not in manifest.prompts:
            raise UnknownName("clip", entry.id, manifest.prompts)
        paths = tuple(self.root / manifest.file(method, entry.id, view) for view in manifest.views)
        for path in paths:
            self._check(path)
        facts = {"name": manifest.methods[method].name, "paper": manifest.methods[method].paper}
        origin = {"source": manifest.source, "licence": manifest.licence, "source_view": manifest.source_view}
        return Prediction(video=paths, provenance={**facts, **origin})

    def _check(self, path: Path) -> None:
        found, manifest = probe(path), self._manifest
        for what, value, wanted in (
            ("frames", found.frames, manifest.frames),
            ("(H, W)", (found.height, found.width), manifest.size),
        ):
            if value != wanted:
                raise VideoError(
                    f"{path} has {what} {value}, {self.root / 'manifest.json'} says {wanted}: every view of every clip has the same; "
                    "replace the file or correct the manifest"
                )
        if abs(found.fps - manifest.fps) > _FPS_TOLERANCE * manifest.fps:
            raise VideoError(
                f"{path} runs at {found.fps:g} fps, {self.root / 'manifest.json'} says {manifest.fps:g}: "
                "replace the file or correct the manifest"
            )
