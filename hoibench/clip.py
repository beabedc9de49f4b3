"""The nouns of the benchmark: what a clip is, what a method may see of it, and what it answers.

Letters: V views, N frames, H x W pixels, K tracked points.  Lengths are metres, pixels have their centres at integer coordinates, and camera axes are
OpenCV's (x right, y down, z forward).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Cluster = Literal["left", "center", "right"]
DataKind = Literal["measured", "synthetic"]
Scale = Literal["metric", "shared", "per_view"]

CLUSTERS: tuple[Cluster, ...] = ("left", "center", "right")
PARTS = ("left hand", "right hand", "tool", "target")
SCALES: tuple[Scale, ...] = ("metric", "shared", "per_view")


MAX_COORDINATE = 1e6
"""Largest coordinate a point may have, in metres or a method's own unit: beyond it one point would swamp every mean."""


def check_float(name: str, array: Array) -> None:
    """Raise ValueError unless ``array`` is of floating-point numbers."""
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{name} has dtype {array.dtype}, expected float32")


def check_shape(name: str, array: Array, expected: tuple[int | str, ...]) -> None:
    """Raise ValueError unless ``array`` has the ``expected`` shape; a letter in it matches any length.

    Raises:
        ValueError: names the field, the shape found and the shape wanted.
    """
    fits = array.ndim == len(expected) and all(
        isinstance(want, str) or got == want for got, want in zip(array.shape, expected, strict=True)
    )
    if not fits:
        wanted = ", ".join(str(n) for n in expected) + ("," if len(expected) == 1 else "")
        raise ValueError(f"{name} has shape {tuple(array.shape)}, expected ({wanted})")


def check_mask(name: str, array: Array, expected: tuple[int | str, ...]) -> None:
    """Raise ValueError unless ``array`` is bool and has the ``expected`` shape: as an index, 0 and 1 mean something else.

    Raises:
        ValueError: names the field, what was found and what is wanted.
    """
    if array.dtype != np.bool_:
        raise ValueError(f"{name} has dtype {array.dtype}, expected bool: write array.astype(bool)")
    check_shape(name, array, expected)


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera: x_cam = R x_world + t.

    Attributes:
        K: (3, 3) intrinsics, pixels.
        R: (3, 3) or, for a moving camera, (N, 3, 3); world to camera.
        t: (3,) or (N, 3), metres.
        size: (H, W) of the image that K belongs to.
    """

    K: Array
    R: Array
    t: Array
    size: tuple[int, int]

    def __post_init__(self) -> None:
        check_shape("Camera.K", self.K, (3, 3))
        moving = ("N",) if self.R.ndim == 3 else ()
        check_shape("Camera.R", self.R, (*moving, 3, 3))
        check_shape("Camera.t", self.t, (*self.R.shape[:-2], 3))
        for name in ("K", "R", "t"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"Camera.{name} holds NaN or infinity")
        if np.abs(self.R @ self.R.mT - np.eye(3)).max() > 1e-3 or (np.linalg.det(self.R) < 0).any():
            raise ValueError("Camera.R is no rotation: expected R R^T = I with determinant +1")

    @property
    def is_moving(self) -> bool:
        """Whether the extrinsics change from frame to frame."""
        return self.R.ndim == 3


@dataclass(frozen=True, eq=False)
class View:
    """One viewpoint: its camera, the cluster it was drawn from, and its reference image ((H, W, 3) uint8)."""

    id: str
    cluster: Cluster | None = None
    camera: Camera | None = None
    image: Array | None = None

    def __post_init__(self) -> None:
        if self.image is not None:
            check_shape(f"View {self.id}: image", self.image, ("H", "W", 3))


@dataclass(frozen=True, eq=False)
class Tracks:
    """True 4D point tracks.

    Attributes:
        world: (N, K, 3) float32, metres, world frame.
        visible: (V, N, K) bool, seen by the view in the frame.
        part: (K,) uint8, index into ``PARTS``.
        recorded: (N, K) bool, false where the recording has no row for the point's part: ``world`` holds the position of the nearest frame that
            has one, and nothing is visible; None means that all are.
    """

    world: Array
    visible: Array
    part: Array
    recorded: Array | None = None

    def __post_init__(self) -> None:
        check_float("Tracks.world", self.world)
        check_shape("Tracks.world", self.world, ("N", "K", 3))
        n, k, _ = self.world.shape
        check_mask("Tracks.visible", self.visible, ("V", n, k))
        check_shape("Tracks.part", self.part, (k,))
        if not np.isfinite(self.world).all():
            raise ValueError("Tracks.world holds NaN or infinity; mask missing points out before a clip is built")
        if self.recorded is not None:
            check_mask("Tracks.recorded", self.recorded, (n, k))
            if (self.visible & ~self.recorded).any():
                raise ValueError(
                    "Tracks.visible is true where Tracks.recorded is false: what was not recorded is not seen"
                )


@dataclass(frozen=True, eq=False)
class SourceVideo:
    """A video that a video-to-video method may see: ``video`` (N, H, W, 3) uint8 from ``view``, a camera outside the V views."""

    view: View
    video: Array


@dataclass(frozen=True, eq=False)
class Clip:
    """One clip of a data set with all its truth; never shown to a method, which gets a ``Request``.

    Attributes:
        id: the sequence key.
        triplet: (tool, action, target).
        prompt: the text given to methods; None where the data set has none.
        views: the V views that are scored.
        source_views: views outside the V, for methods whose family may see one.
        fps: frames per second of ``video`` and ``tracks``.
        frames: N.
        instances: ids of the (tool, target) objects: clips that share them are one bootstrap cluster.
        tags: why the clip is in its split, e.g. ``unseen_object``.
        truth: where the truth comes from: ``synthetic``, ``taco``, ``proxy-hand``; None where there is none.
        tracks: true tracks, or None.
        load_video: returns (V, N, H, W, 3) uint8; None where there is no true video.
        load_source_videos: returns one (N, H, W, 3) uint8 video a source view.
        load_masks: returns (V, N, H, W) bool, hands and objects.
        valid_frames: of a recording shorter than the clip, the frames that it has; the rest repeat its last one and are not scored.
            None means that all are.
    """

    id: str
    triplet: tuple[str, str, str] | None
    prompt: str | None
    views: tuple[View, ...]
    source_views: tuple[View, ...]
    fps: float
    frames: int
    size: tuple[int, int]
    instances: tuple[str, str] | None = None
    tags: tuple[str, ...] = ()
    truth: str | None = None
    tracks: Tracks | None = None
    load_video: Callable[[], Array] | None = field(default=None, repr=False)
    load_source_videos: Callable[[], tuple[Array, ...]] | None = field(default=None, repr=False)
    load_masks: Callable[[], Array] | None = field(default=None, repr=False)
    valid_frames: int | None = None

    def __post_init__(self) -> None:
        if self.valid_frames is not None and not 1 <= self.valid_frames <= self.frames:
            raise ValueError(f"clip {self.id}: valid_frames is {self.valid_frames}, expected 1 to {self.frames}")
        if self.tracks is not None:
            check_shape(f"clip {self.id}: tracks.visible", self.tracks.visible, (len(self.views), self.frames, "K"))

    @cached_property
    def video(self) -> Array | None:
        """(V, N, H, W, 3) uint8 true video, decoded once on first use."""
        return None if self.load_video is None else self.load_video()

    @cached_property
    def masks(self) -> Array | None:
        """(V, N, H, W) bool, true where a hand or an object is, made once on first use."""
        return None if self.load_masks is None else self.load_masks()

    @property
    def cameras(self) -> tuple[Camera, ...] | None:
        """The V cameras, or None if any view lacks one."""
        cameras = tuple(view.camera for view in self.views if view.camera is not None)
        return cameras if cameras and len(cameras) == len(self.views) else None


@dataclass(frozen=True, eq=False)
class Request:
    """All that a method may see of a clip.  Truth is unreachable from here.

    Attributes:
        clip_id: the id of the clip, an opaque key.
        prompt: the text prompt.
        views: V views with reference images and cameras.
        frames, fps, size: the grid to answer on: N frames at ``fps``, (H, W) pixels.
        seed: seed of every random choice the method makes.
        source_videos: videos the method's family is allowed to see (``v2v``: one camera outside V; ``vto4r``: the V target videos).
        anchors: (V, K, 2) pixels of the points to track in frame 0, where the method's spec declares pairing ``query``.
    """

    clip_id: str
    prompt: str | None
    views: tuple[View, ...]
    frames: int
    fps: float
    size: tuple[int, int]
    seed: int
    source_videos: tuple[SourceVideo, ...] = ()
    anchors: Array | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a method answers to a request; every part is optional, but at least one is there.

    Attributes:
        video: (V, N, H, W, 3) uint8, or V paths of already encoded files, which are kept byte for byte.
        tracks: (V, N, K', 3) float32, camera space; metres if ``scale`` is ``metric``.
        anchors: (V, K', 2) float32, pixels of the tracks in frame 0.
        valid: (V, N, K') bool; None means that all are.
        points: (V, N, h, w, 3) float16 point maps, camera space; sampled when scored.
        masks: (V, N, H, W) bool, the method's own foreground.
        scale: ``metric``, ``shared`` (one unknown factor per clip) or ``per_view``.
        crop: native-to-protocol crop (top, left, height, width) in native pixels, for the record.
        provenance: anything the method wants kept, JSON-serialisable.
    """

    video: Array | tuple[Path, ...] | None = None
    tracks: Array | None = None
    anchors: Array | None = None
    valid: Array | None = None
    points: Array | None = None
    masks: Array | None = None
    scale: Scale = "metric"
    crop: tuple[int, int, int, int] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.video is None and self.tracks is None and self.points is None:
            raise ValueError("a prediction holds none of video, tracks and points: give at least one")
        if self.scale not in SCALES:
            raise ValueError(f"scale is {self.scale!r}, expected one of {', '.join(SCALES)}")
        if isinstance(self.video, np.ndarray):
            check_shape("video", self.video, ("V", "N", "H", "W", 3))
            if self.video.dtype != np.uint8:
                raise ValueError(f"video has dtype {self.video.dtype}, expected uint8 in 0..255")
        if self.points is not None:
            check_shape("points", self.points, ("V", "N", "h", "w", 3))
        if self.masks is not None:
            check_mask("masks", self.masks, ("V", "N", "H", "W"))
        if self.tracks is not None:
            self._check_tracks(self.tracks)
        elif self.valid is not None:
            check_mask("valid", self.valid, ("V", "N", "K'"))

    def _check_tracks(self, tracks: Array) -> None:
        check_float("tracks", tracks)
        check_shape("tracks", tracks, ("V", "N", "K'", 3))
        if self.anchors is None:
            raise ValueError("tracks come without anchors: give (V, K', 2) pixels of the tracks in frame 0")
        check_float("anchors", self.anchors)
        check_shape("anchors", self.anchors, (tracks.shape[0], tracks.shape[2], 2))
        if not np.isfinite(self.anchors).all():
            raise ValueError("anchors hold NaN or infinity")
        if self.valid is not None:
            check_mask("valid", self.valid, tracks.shape[:3])
        bad = ~(np.abs(tracks) <= MAX_COORDINATE).all(axis=-1)  # NaN is not
        if self.valid is not None:
            bad &= self.valid
        if bad.any():
            v, n, k = (int(i[0]) for i in np.nonzero(bad))
            raise ValueError(
                f"tracks hold NaN, infinity or coordinates over {MAX_COORDINATE:g} at {int(bad.sum())} points, "
                f"the first at view {v}, frame {n}, point {k}: "
                "mark such points false in `valid`"
            )
