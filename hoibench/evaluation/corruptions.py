"""Corruptions: known errors put into a clip's truth, to see which metrics notice them (``hoibench.evaluation.self_test``).

A corrupted prediction has only the outputs that the corruption changes, video or tracks or both, so that other metrics do not apply to it.
Letters: V views, N frames, K points, H x W pixels; metres, camera space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from hoibench.clip import Array, Clip, Prediction
from hoibench.evaluation.interaction_corruptions import PULL, PUSH, collapse_tool, melt_objects, move_hand, move_tool
from hoibench.evaluation.reference_predictions import NOISE_METRES, build_reference, freeze
from hoibench.geometry import to_camera
from hoibench.reference_rows import GROUND_TRUTH

PIXEL_NOISE = 25.0
"""Standard deviation of the noise in a video, of 255."""
BLUR_PIXELS = 2.0
"""Standard deviation of the blur."""
BRIGHTER = 1.2
"""Factor of the brightness of every second frame."""
DELAY = 4
"""Frames that view 1 comes late."""
SQUARE_PIXELS = 8
"""Side of the squares of the checkerboard."""
OVERLAY_ALPHA = 0.3
"""Opacity of the checkerboard."""
SMALLER = 0.9
"""Factor of the tracks' positions."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth of a clip, from which corruptions are made.

    Attributes:
        clip: the clip, with true video, tracks and cameras.
        foreign: another clip with as many views, frames and points.
        prediction: the clip's truth in the form of a prediction, with video and tracks.
        rng: a seeded generator.
    """

    clip: Clip
    foreign: Clip
    prediction: Prediction
    rng: np.random.Generator

    @property
    def video(self) -> Array:
        """(V, N, H, W, 3) uint8."""
        return np.asarray(self.prediction.video)

    @property
    def tracks(self) -> Array:
        """(V, N, K, 3) float32."""
        return np.asarray(self.prediction.tracks)


@dataclass(frozen=True)
class Corruption:
    """A corruption of a clip's truth.

    Attributes:
        text: what it changes, for docs and tables.
        apply: makes the prediction; the truth's arrays stay as they are.
    """

    text: str
    apply: Callable[[Truth], Prediction]


def corrupt(name: str, clip: Clip, foreign: Clip) -> Prediction:
    """Return the truth of a clip with the corruption ``name`` of ``CORRUPTIONS``; the same call gives the same prediction.

    Args:
        name: a key of ``CORRUPTIONS``.
        clip: a clip with true video, tracks and cameras.
        foreign: another clip with as many views, frames and points, whose view 0 is used by ``foreign view``.

    Raises:
        KeyError: there is no such corruption.
        ValueError: a clip has no truth, or the two differ in shape.
    """
    rng = np.random.default_rng([*clip.id.encode(), *name.encode()])
    return CORRUPTIONS[name].apply(Truth(clip, foreign, build_reference(GROUND_TRUTH, clip, seed=0), rng))


def blur(video: Array, sigma: float = BLUR_PIXELS) -> Array:
    """Blur the frames of a (V, N, H, W, 3) video by a Gaussian of ``sigma`` pixels."""
    return np.stack([[cv2.GaussianBlur(frame, (0, 0), sigma) for frame in view] for view in video])


def flicker(video: Array) -> Array:
    """Make every second frame of a (V, N, H, W, 3) uint8 video brighter by ``BRIGHTER``."""
    factor = np.where(np.arange(video.shape[1]) % 2, BRIGHTER, 1.0)
    return _to_uint8(video * factor[:, None, None, None])


def add_pixel_noise(video: Array, rng: np.random.Generator) -> Array:
    """Add Gaussian noise to a (V, N, H, W, 3) uint8 video, independent for each value."""
    return _to_uint8(video + rng.normal(0.0, PIXEL_NOISE, video.shape))


def overlay_checkerboard(video: Array) -> Array:
    """Blend a (V, N, H, W, 3) uint8 video with a black and white checkerboard, the same in all frames and views."""
    height, width = video.shape[2:4]
    board = 255.0 * (np.add.outer(np.arange(height) // SQUARE_PIXELS, np.arange(width) // SQUARE_PIXELS) % 2)[..., None]
    return _to_uint8((1 - OVERLAY_ALPHA) * video + OVERLAY_ALPHA * board)


def overlay_text(video: Array) -> Array:
    """Write a white line of text across the middle of a (V, N, H, W, 3) uint8 video, the same in all frames and views."""
    height, width = video.shape[2:4]
    text, font = "hoibench sample", cv2.FONT_HERSHEY_SIMPLEX
    (wide, high), _ = cv2.getTextSize(text, font, 1.0, 1)
    scale = 0.9 * width / wide
    origin = (round(0.05 * width), round((height + scale * high) / 2))
    written = np.zeros((height, width), np.uint8)
    cv2.putText(written, text, origin, font, scale, 255, thickness=max(1, height // 64), lineType=cv2.LINE_AA)
    opacity = written[..., None] / 255.0
    return _to_uint8((1 - opacity) * video + opacity * 255.0)


def rearrange(prediction: Prediction, views: Array, frames: Array) -> Prediction:
    """Take video and tracks of each view and frame from other ones.

    Args:
        prediction: its video decoded; anchors stay as they are.
        views: (V,) index of the view to take.
        frames: (V, N) index of the frame to take, for each view of the result.
    """

    def take(array: Array | None) -> Array | None:
        return None if array is None else np.asarray(array)[views[:, None], frames]

    assert not isinstance(prediction.video, tuple)
    return replace(
        prediction, video=take(prediction.video), tracks=take(prediction.tracks), valid=take(prediction.valid)
    )


def exchange_views(prediction: Prediction) -> Prediction:
    """Give each view the video and tracks of the view before it, and the first one those of the last."""
    views, frames = _indices(prediction)
    return rearrange(prediction, np.roll(views, 1), frames)


def reverse_time(prediction: Prediction) -> Prediction:
    """Reverse the order of frames."""
    views, frames = _indices(prediction)
    return rearrange(prediction, views, frames[:, ::-1])


def delay_view(prediction: Prediction) -> Prediction:
    """Let view 1 come ``DELAY`` frames late; until then it holds its first frame."""
    views, frames = _indices(prediction)
    frames[1] = np.maximum(frames[1] - DELAY, 0)
    return rearrange(prediction, views, frames)


def repeat_first_frame(prediction: Prediction) -> Prediction:
    """Put the first frame in place of every second frame."""
    views, frames = _indices(prediction)
    frames[:, 1::2] = 0
    return rearrange(prediction, views, frames)


def _indices(prediction: Prediction) -> tuple[Array, Array]:
    """Return (V,) indices of views and (V, N) indices of frames that change nothing in ``rearrange``."""
    count, length = np.asarray(prediction.video).shape[:2]
    return np.arange(count), np.tile(np.arange(length), (count, 1))


def _noisy(truth: Truth) -> Prediction:
    tracks = truth.tracks + truth.rng.normal(0.0, NOISE_METRES, truth.tracks.shape)
    video = add_pixel_noise(truth.video, truth.rng)
    return replace(truth.prediction, video=video, tracks=tracks.astype(np.float32))


def _foreign_view(truth: Truth) -> Prediction:
    video, tracks = truth.video.copy(), truth.tracks.copy()
    foreign = build_reference(GROUND_TRUTH, truth.foreign, seed=0)
    foreign_video, foreign_tracks = np.asarray(foreign.video), np.asarray(foreign.tracks)
    if foreign_video.shape != video.shape or foreign_tracks.shape != tracks.shape:
        raise ValueError(
            f"clips {truth.clip.id} and {truth.foreign.id} differ in views, frames, size or points: choose two of one split"
        )
    video[0], tracks[0] = foreign_video[0], foreign_tracks[0]
    return replace(truth.prediction, video=video, tracks=tracks)


def _without_hidden_points(truth: Truth) -> Prediction:
    assert truth.clip.tracks is not None
    visible = truth.clip.tracks.visible
    return _tracks(truth, truth.tracks, valid=visible & visible[:, :1])


def _tracks(truth: Truth, tracks: Array, valid: Array | None = None) -> Prediction:
    return Prediction(tracks=tracks, anchors=truth.prediction.anchors, valid=valid)


def _world(truth: Truth, edit: Callable[[Array, Array], Array]) -> Prediction:
    """Return the tracks of edited true points; ``edit`` takes the points (N, K, 3) in the world, metres, and their parts (K,)."""
    assert truth.clip.tracks is not None
    assert truth.clip.cameras is not None
    world = edit(truth.clip.tracks.world.astype(np.float64), truth.clip.tracks.part)
    tracks = np.stack([to_camera(world, camera.R, camera.t) for camera in truth.clip.cameras])
    return _tracks(truth, tracks.astype(np.float32), truth.prediction.valid)


def _to_uint8(values: Array) -> Array:
    return np.rint(values).clip(0, 255).astype(np.uint8)


CORRUPTIONS: dict[str, Corruption] = {
    "noise": Corruption("noise in every pixel (standard deviation 25 of 255) and every point (1 cm)", _noisy),
    "blur": Corruption("video blurred by 2 px (standard deviation)", lambda t: Prediction(video=blur(t.video))),
    "flicker": Corruption("every second frame 20 % brighter", lambda t: Prediction(video=flicker(t.video))),
    "foreign view": Corruption("view 0 is that of another clip", _foreign_view),
    "delayed view": Corruption("view 1 comes 4 frames late", lambda t: delay_view(t.prediction)),
    "views exchanged": Corruption("each view shows the one before it", lambda t: exchange_views(t.prediction)),
    "time reversed": Corruption("frames in reverse order", lambda t: reverse_time(t.prediction)),
    "frozen": Corruption("the first frame held", lambda t: freeze(t.prediction)),
    "first frame repeated": Corruption(
        "every second frame is the first one", lambda t: repeat_first_frame(t.prediction)
    ),
    "checkerboard": Corruption(
        "a checkerboard of 8 px squares over all views, 30 % opaque",
        lambda t: Prediction(video=overlay_checkerboard(t.video)),
    ),
    "text": Corruption("a line of text over all views", lambda t: Prediction(video=overlay_text(t.video))),
    "scaled points": Corruption(
        "points at 0.9 of their distance from the camera",
        lambda t: _tracks(t, np.float32(SMALLER) * t.tracks, t.prediction.valid),
    ),
    "hidden points dropped": Corruption("no prediction for hidden points", _without_hidden_points),
    "tool moved": Corruption("the tool 1 cm higher and turned by 10 degrees", lambda t: _world(t, move_tool)),
    "hand pulled away": Corruption(
        "the left hand 2 cm away from the target that it holds", lambda t: _world(t, partial(move_hand, distance=PULL))
    ),
    "hand pushed in": Corruption(
        "the left hand 1 cm towards the target that it holds", lambda t: _world(t, partial(move_hand, distance=-PUSH))
    ),
    "tool collapsed": Corruption("the tool at a tenth of its size", lambda t: _world(t, collapse_tool)),
    "objects melting": Corruption(
        "each point of tool and target drifts in a direction of its own, to 2 cm in the last frame",
        lambda t: _world(t, partial(melt_objects, rng=t.rng)),
    ),
}
"""The corruptions by name."""
