"""Predictions of the reference rows, built from the truth; they show that a metric measures what it claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hoibench.clip import Array, Clip, Prediction, Tracks
from hoibench.evaluation.request import project_anchors
from hoibench.geometry import to_camera
from hoibench.methods.method import Entrant
from hoibench.methods.spec import Spec
from hoibench.reference_rows import FROZEN_SELF, REFERENCES

NOISE_METRES = 0.01


def reference_specs() -> dict[str, Spec]:
    """Return the specs of the reference rows by id, in the page's order."""
    return {
        name: Spec(id=name, name=title, outputs=("video", "tracks"), pairing="query", kind="reference")
        for name, title in REFERENCES.items()
    }


def frozen_self_entrant(entrant: Entrant) -> Entrant:
    """Return the reference row ``frozen_self/METHOD``: the predictions of a method (video and tracks) with the first frame repeated."""
    spec = entrant.spec
    changes = {
        "id": FROZEN_SELF + spec.id, "entry": "", "name": f"{spec.title}, first frame repeated", "kind": "reference",
        "folder": None, "deterministic": False,
    }  # fmt: skip
    return Entrant(spec.model_copy(update=changes), entrant.preset)


def depends_on_seed(name: str) -> bool:
    """Return True if a reference row changes with the seed; the others are built once, for the first seed."""
    return name.startswith(FROZEN_SELF) or name in ("gt_shuffled", "gt_noise_1cm", "random")


def build_reference(name: str, clip: Clip, seed: int) -> Prediction:
    """Build the prediction of reference row ``name`` for a clip.

    Tracks are in camera space and metric.  All points are valid, hidden ones too, except where the truth was not recorded.

    Raises:
        ValueError: the clip has no true video, tracks or cameras.
    """
    tracks = clip.tracks
    if clip.video is None or tracks is None or clip.cameras is None:
        raise ValueError(f"clip {clip.id} has no truth to build the reference row {name} from")
    rng = np.random.default_rng([seed, *clip.id.encode(), *name.encode()])
    return _BUILDERS[name](clip, tracks, clip.video, rng)


def freeze(prediction: Prediction) -> Prediction:
    """Repeat frame 0 of a prediction's (decoded) video and tracks in every frame."""
    return replace(
        prediction,
        video=None if prediction.video is None else _repeat_first(np.asarray(prediction.video)),
        tracks=None if prediction.tracks is None else _repeat_first(prediction.tracks),
        valid=None if prediction.valid is None else _repeat_first(prediction.valid),
        points=None if prediction.points is None else _repeat_first(prediction.points),
        masks=None if prediction.masks is None else _repeat_first(prediction.masks),
        provenance={},
    )


def _repeat_first(array: Array) -> Array:
    return np.repeat(array[:, :1], array.shape[1], axis=1)


def _camera_tracks(clip: Clip, world: Array) -> Array:
    cameras = clip.cameras
    assert cameras is not None
    return np.stack([to_camera(world.astype(np.float64), c.R, c.t) for c in cameras])


def _prediction(clip: Clip, video: Array, camera_tracks: Array, recorded: Array | None) -> Prediction:
    valid = None if recorded is None else np.repeat(recorded[None], len(camera_tracks), axis=0)
    return Prediction(video=video, tracks=camera_tracks.astype(np.float32), anchors=project_anchors(clip), valid=valid)


def _ground_truth(clip: Clip, tracks: Tracks, video: Array, rng: np.random.Generator) -> Prediction:
    return _prediction(clip, video, _camera_tracks(clip, tracks.world), tracks.recorded)


def _shuffled(clip: Clip, tracks: Tracks, video: Array, rng: np.random.Generator) -> Prediction:
    order = rng.permutation(tracks.world.shape[1])
    recorded = None if tracks.recorded is None else tracks.recorded[:, order]
    return _prediction(clip, video, _camera_tracks(clip, tracks.world[:, order]), recorded)


def _frozen(clip: Clip, tracks: Tracks, video: Array, rng: np.random.Generator) -> Prediction:
    return _prediction(clip, _repeat_first(video), _repeat_first(_camera_tracks(clip, tracks.world)), tracks.recorded)


def _noisy(clip: Clip, tracks: Tracks, video: Array, rng: np.random.Generator) -> Prediction:
    points = _camera_tracks(clip, tracks.world)
    return _prediction(clip, video, points + rng.normal(0.0, NOISE_METRES, points.shape), tracks.recorded)


def _scaled(clip: Clip, tracks: Tracks, video: Array, rng: np.random.Generator) -> Prediction:
    return _prediction(clip, video, 0.9 * _camera_tracks(clip, tracks.world), tracks.recorded)


def _random(clip: Clip, tracks: Tracks, video: Array, rng: np.random.Generator) -> Prediction:
    low, high = tracks.world.min(axis=(0, 1)), tracks.world.max(axis=(0, 1))
    cameras = clip.cameras
    assert cameras is not None
    points = [to_camera(rng.uniform(low, high, tracks.world.shape), camera.R, camera.t) for camera in cameras]
    noise = rng.integers(0, 256, video.shape, dtype=np.uint8)
    return _prediction(clip, noise, np.stack(points), tracks.recorded)


_Builder = Callable[[Clip, Tracks, Array, np.random.Generator], Prediction]
_BUILDERS: dict[str, _Builder] = {
    "ground_truth": _ground_truth,
    "gt_shuffled": _shuffled,
    "gt_noise_1cm": _noisy,
    "gt_scaled_0.9": _scaled,
    "frozen": _frozen,
    "random": _random,
}
