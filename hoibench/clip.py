"""The core types of the benchmark.

A data set gives a ``Clip``: videos, cameras and true point tracks.  A method receives a ``Request``, which holds the clip's inputs without its truth,
and returns a ``Prediction``.

Shapes use V views, N frames, H x W pixels and K tracked points.  Lengths are in metres, pixel centres are at integer coordinates, and camera axes
follow OpenCV (x right, y down, z forward).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hoibench.text import count

if TYPE_CHECKING:  # it imports the checks of this module
    from hoibench.rigid_object import RigidObject

Array = NDArray[Any]
FloatArray = NDArray[np.float64]

Cluster = Literal["left", "center", "right"]
"""Side of the camera rig on which a camera stands; the cameras of one side form a cluster."""

DataKind = Literal["measured", "synthetic"]
"""Origin of a data set's clips: recorded by real cameras, or generated."""

Pairing = Literal["query", "anchor", "oracle-projection"]
"""Rule that finds the predicted point of each true point."""

Scale = Literal["metric", "shared", "per_view", "scale_shift"]
"""Scale of a prediction's 3D points: in metres, or in metres up to an unknown factor that is one per clip (``shared``) or one per view
(``per_view``), or one per view with an unknown shift (``scale_shift``)."""

CLUSTERS: tuple[Cluster, ...] = ("left", "center", "right")
SCALES: tuple[Scale, ...] = ("metric", "shared", "per_view", "scale_shift")

PARTS = ("left hand", "right hand", "tool", "target")
"""Names of the tracked parts, i.e. the two hands and the two objects; ``Tracks.part`` has indices into this tuple."""

MAX_COORDINATE = 1e6
"""Largest coordinate of a predicted point, in metres or the method's own unit; a larger one is refused, since it would dominate every mean."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera: x_cam = R x_world + t.

    Attributes:
        K: (3, 3) intrinsics in pixels.
        R: (3, 3) rotation from world to camera; (N, 3, 3) for a moving camera.
        t: (3,) translation in metres; (N, 3) for a moving camera.
        size: (H, W) of the image that K refers to.

    >>> K = np.array([[300.0, 0, 95.5], [0, 300, 63.5], [0, 0, 1]])
    >>> Camera(K, R=np.eye(3), t=np.zeros(3), size=(128, 192)).is_moving
    False
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
                raise ValueError(f"Camera.{name} has NaN or infinity")
        if np.abs(self.R @ self.R.mT - np.eye(3)).max() > 1e-3 or (np.linalg.det(self.R) < 0).any():
            raise ValueError("Camera.R is not a rotation: expected R R^T = I and determinant +1")

    @property
    def is_moving(self) -> bool:
        """True if the camera has extrinsics R and t per frame."""
        return self.R.ndim == 3

    def extrinsics(self, frame: int) -> tuple[Array, Array]:
        """Return R (3, 3) and t (3,) in a frame."""
        return (self.R[frame], self.t[frame]) if self.is_moving else (self.R, self.t)


@dataclass(frozen=True, eq=False)
class View:
    """One camera view of a clip.

    Attributes:
        id: the camera's id.
        cluster: the side of the camera rig that the camera is on, or None.
        camera: its intrinsics and extrinsics, or None if they are unknown.
        image: (H, W, 3) uint8 reference image, i.e. frame 0, or None.
    """

    id: str
    cluster: Cluster | None = None
    camera: Camera | None = None
    image: Array | None = None

    def __post_init__(self) -> None:
        if self.image is not None:
            check_shape(f"View {self.id}: image", self.image, ("H", "W", 3))


@dataclass(frozen=True, eq=False)
class Tracks:
    """True 4D tracks of K points on hands and objects over N frames.

    Attributes:
        world: (N, K, 3) float32 positions in the world frame, in metres.
        visible: (V, N, K) bool, true where the view sees the point.
        part: (K,) uint8 index into ``PARTS``.
        recorded: (N, K) bool, false where the recording has no pose for the point's part.  There, ``world`` repeats the nearest recorded position
            and ``visible`` is false.  None means that every frame is recorded.
        depth_edge: (V, N, K) bool, true where the depth of the true surfaces at the point's pixel differs by more than 2 % from that at one of the
            four neighbouring pixels.  None means that it is not known.
    """

    world: Array
    visible: Array
    part: Array
    recorded: Array | None = None
    depth_edge: Array | None = None

    def __post_init__(self) -> None:
        check_float("Tracks.world", self.world)
        check_shape("Tracks.world", self.world, ("N", "K", 3))
        check_mask("Tracks.visible", self.visible, ("V", "N", "K"))
        check_shape("Tracks.part", self.part, ("K",))
        n, k, _ = self.world.shape
        _, visible_n, visible_k = self.visible.shape
        check_same("frames", {"Tracks.world": n, "Tracks.visible": visible_n})
        check_same("points", {"Tracks.world": k, "Tracks.visible": visible_k, "Tracks.part": len(self.part)})
        if not np.isfinite(self.world).all():
            raise ValueError("Tracks.world has NaN or infinity; fill in missing points and set recorded to false")
        if self.depth_edge is not None:
            check_mask("Tracks.depth_edge", self.depth_edge, self.visible.shape)
        if self.recorded is not None:
            check_mask("Tracks.recorded", self.recorded, (n, k))
            if (self.visible & ~self.recorded).any():
                raise ValueError(
                    "Tracks.visible is true where Tracks.recorded is false: a point that was not recorded cannot be visible"
                )


@dataclass(frozen=True, eq=False)
class SourceVideo:
    """An input video of a video-to-video method: the frames ``video`` (N, H, W, 3) uint8, and the ``view`` that recorded them."""

    view: View
    video: Array


@dataclass(frozen=True, eq=False)
class Clip:
    """One clip of a data set with its truth, i.e. true video, tracks and masks; methods receive a ``Request`` without these.

    Attributes:
        id: key of the recorded or generated sequence.
        triplet: (tool, action, target), or None.
        prompt: the text prompt, or None if the data set has none.
        views: the V scored views.
        source_views: further views, which are the input of video-to-video methods.
        fps: frames per second of the video and the tracks.
        frames: N, the number of frames.
        size: (H, W) of the video in pixels.
        instances: ids of the (tool, target) objects; the bootstrap resamples clips with the same pair together.
        tags: reasons why the clip is in its part of the split, e.g. ``unseen_object``.
        truth: the origin of the truth: ``synthetic``, ``taco`` or ``proxy-hand``; None if there is no truth.
        tracks: true point tracks, or None.
        load_video: loads the (V, N, H, W, 3) uint8 true video; None if there is none.
        load_source_videos: loads one (N, H, W, 3) uint8 video per source view.
        load_masks: loads (V, N, H, W) bool masks of hands and objects; None if there are none.
        load_objects: loads the true shapes and poses of the tool and the target; None if they are not known.
        valid_frames: number of recorded frames if the recording is shorter than N; the remaining frames repeat the last one and are not scored.
            None means that all frames are valid.
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
    load_objects: Callable[[], tuple[RigidObject, ...]] | None = field(default=None, repr=False)
    valid_frames: int | None = None

    def __post_init__(self) -> None:
        if self.valid_frames is not None and not 1 <= self.valid_frames <= self.frames:
            raise ValueError(f"clip {self.id}: valid_frames is {self.valid_frames}, expected 1 to {self.frames}")
        if self.tracks is not None:
            check_shape(f"clip {self.id}: tracks.visible", self.tracks.visible, (len(self.views), self.frames, "K"))

    @cached_property
    def video(self) -> Array | None:
        """(V, N, H, W, 3) uint8 true video, decoded on first use; None if there is none."""
        return None if self.load_video is None else self.load_video()

    @cached_property
    def masks(self) -> Array | None:
        """(V, N, H, W) bool, true on hands and objects, loaded on first use; None if there are none.

        Raises:
            ValueError: the loaded masks are not bool, or do not have the clip's shape.
        """
        if self.load_masks is None:
            return None
        masks = self.load_masks()
        check_mask(f"clip {self.id}: masks", masks, (len(self.views), self.frames, *self.size))
        return masks

    @cached_property
    def objects(self) -> tuple[RigidObject, ...] | None:
        """The true shapes and poses of the tool and the target, loaded on first use; None if they are not known.

        Raises:
            ValueError: an object does not have the clip's frames, or there are two of one part.
        """
        if self.load_objects is None:
            return None
        objects = self.load_objects()
        for rigid in objects:
            check_shape(f"clip {self.id}: R of the {rigid.name}", rigid.R, (self.frames, 3, 3))
        if len({rigid.part for rigid in objects}) < len(objects):
            raise ValueError(f"clip {self.id}: two of its objects are the {objects[0].name}, expected one")
        return objects

    @property
    def cameras(self) -> tuple[Camera, ...] | None:
        """The cameras of the V views, or None if a view has no camera."""
        cameras = tuple(view.camera for view in self.views if view.camera is not None)
        return cameras if cameras and len(cameras) == len(self.views) else None


@dataclass(frozen=True, eq=False)
class Request:
    """The inputs of a method for one clip, without access to the clip's truth.

    Attributes:
        clip_id: the id of the clip.
        prompt: the text prompt, or None.
        views: V views with reference images and cameras.
        frames: N, the number of frames to generate.
        fps: frames per second to generate at.
        size: (H, W) to generate at.
        seed: seed for every random choice of the method.
        source_videos: input videos for the method's family: one from a camera outside the V views (``v2v``), or the V target videos (``vto4r``).
        anchors: (V, K, 2) pixels in frame 0 of the points to track, for methods with pairing ``query``; other methods choose points and get None.
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
    """The output of a method for one request: at least one of video, point tracks and point maps.

    Attributes:
        video: (V, N, H, W, 3) uint8, or V paths of encoded files, which are stored byte for byte.
        tracks: (V, N, K', 3) float32 positions of K' points in camera space, in metres if ``scale`` is ``metric``.
        anchors: (V, K', 2) float32 pixels of these points in frame 0.
        valid: (V, N, K') bool, false where ``tracks`` has no usable position; None means that every position is valid.
        points: (V, N, h, w, 3) float16 point maps, i.e. the camera-space position at each of h x w pixels; scored on a sample of them.
        masks: (V, N, H, W) bool, true on what the method takes for hands and objects.
        scale: scale of ``tracks`` and ``points``, see ``Scale``.
        crop: (top, left, height, width) in native pixels of the crop that the method used; stored but not scored.
        provenance: JSON-serialisable facts about the prediction, to be stored with it.

    >>> prediction = Prediction(tracks=np.zeros((3, 25, 64, 3)), anchors=np.zeros((3, 64, 2)), scale="shared")
    >>> prediction.tracks.shape
    (3, 25, 64, 3)
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
            raise ValueError("a prediction needs at least one of video, tracks and points")
        if self.scale not in SCALES:
            raise ValueError(f"scale is {self.scale!r}, expected one of {', '.join(SCALES)}")
        if isinstance(self.video, np.ndarray):
            check_pixels("video", self.video, ("V", "N", "H", "W", 3))
        if self.points is not None:
            check_float("points", self.points)
            check_shape("points", self.points, ("V", "N", "h", "w", 3))
            _check_coordinates(self.points)
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
            raise ValueError("tracks need anchors: give the (V, K', 2) pixels of the tracks in frame 0")
        check_float("anchors", self.anchors)
        check_shape("anchors", self.anchors, ("V", "K'", 2))
        check_same("views", {"tracks": tracks.shape[0], "anchors": self.anchors.shape[0]})
        check_same("points", {"tracks": tracks.shape[2], "anchors": self.anchors.shape[1]})
        if not np.isfinite(self.anchors).all():
            raise ValueError("anchors have NaN or infinity")
        if self.valid is not None:
            check_mask("valid", self.valid, ("V", "N", "K'"))
            for axis, of_tracks, of_valid in zip(
                ("views", "frames", "points"), tracks.shape, self.valid.shape, strict=False
            ):
                check_same(axis, {"tracks": of_tracks, "valid": of_valid})
        bad = ~(np.abs(tracks) <= MAX_COORDINATE).all(axis=-1)  # true for NaN, too
        if self.valid is not None:
            bad &= self.valid
        if bad.any():
            v, n, k = (int(i[0]) for i in np.nonzero(bad))
            raise ValueError(
                f"tracks have NaN, infinity or coordinates over {MAX_COORDINATE:g} at {count(int(bad.sum()), 'point')}, "
                f"the first at view {v}, frame {n}, point {k}; set them to false in `valid`"
            )


def _check_coordinates(points: Array) -> None:
    """Raise ValueError if a position of point maps (V, N, h, w, 3) is finite but too large; those that are not finite do not count."""
    if float(np.finfo(points.dtype).max) <= MAX_COORDINATE:
        return
    for v, view in enumerate(points):
        too_large = np.isfinite(view) & (np.abs(view) > MAX_COORDINATE)
        if too_large.any():
            raise ValueError(
                f"points have {count(int(too_large.sum()), 'coordinate')} over {MAX_COORDINATE:g} in view {v}: set them to NaN"
            )


def check_float(name: str, array: Array) -> None:
    """Raise ValueError unless ``array`` has a floating-point dtype."""
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{name} has dtype {array.dtype}, expected a floating-point dtype")


def check_shape(name: str, array: Array, expected: tuple[int | str, ...]) -> None:
    """Raise ValueError unless ``array`` has the ``expected`` shape, in which a letter matches any length.

    >>> check_shape("tracks", np.zeros((3, 25, 2)), ("V", "N", 3))
    Traceback (most recent call last):
    ValueError: tracks has shape (3, 25, 2), expected (V, N, 3)
    """
    fits = array.ndim == len(expected) and all(
        isinstance(want, str) or got == want for got, want in zip(array.shape, expected, strict=True)
    )
    if not fits:
        wanted = ", ".join(str(n) for n in expected) + ("," if len(expected) == 1 else "")
        raise ValueError(f"{name} has shape {tuple(array.shape)}, expected ({wanted})")


def check_same(axis: str, sizes: Mapping[str, int]) -> None:
    """Raise ValueError unless all arrays have the same number of ``axis``, e.g. points; ``sizes`` has the number of each array by its name.

    >>> check_same("points", {"tracks": 60, "anchors": 64})
    Traceback (most recent call last):
    ValueError: the numbers of points differ: tracks has 60, anchors has 64
    """
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise ValueError(f"the numbers of {axis} differ: {found}")


def check_pixels(name: str, array: Array, expected: tuple[int | str, ...]) -> None:
    """Raise ValueError unless ``array`` is uint8 (pixels from 0 to 1 would score as if they were nearly black) and has the ``expected`` shape."""
    if array.dtype != np.uint8:
        raise ValueError(f"{name} has dtype {array.dtype}, expected uint8 in 0..255")
    check_shape(name, array, expected)


def check_mask(name: str, array: Array, expected: tuple[int | str, ...]) -> None:
    """Raise ValueError unless ``array`` is bool (an integer array would index, not mask) and has the ``expected`` shape, as in ``check_shape``."""
    if array.dtype != np.bool_:
        raise ValueError(f"{name} has dtype {array.dtype}, expected bool: write array.astype(bool)")
    check_shape(name, array, expected)
