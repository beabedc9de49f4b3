"""MotionCrafter (TencentARC/MotionCrafter): point maps and scene flow of a video, in the frame of its first camera."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from baselines.video_to_points import VideoToPoints, read_geometries
from hoibench.clip import Array, Prediction, Request
from hoibench.geometry.point_maps import fit_intrinsics
from hoibench.geometry.scene_flow import follow_scene_flow
from hoibench.methods.exchange import ExchangeRequest, ExchangeResult


class MotionCrafter(VideoToPoints):
    """Point maps of each view, or, with the preset ``tracks``, tracks that follow its scene flow.

    Each window of frames has a frame and a scale of its own, so that a track ends with the first window.
    """

    worker = Path(__file__).with_name("worker.py")
    modules = ("torch", "diffusers", "transformers", "decord", "fire", "h5py", "kornia")
    option_names = ("model_type", "steps", "window_size", "low_memory")

    def make_requests(self, request: Request, folder: Path) -> list[ExchangeRequest]:
        """Write the video of each view, and return one request for each.

        Raises:
            ValueError: a camera moves: camera-space points of later frames would need its motion in the method's unknown scale.
        """
        for view in request.views:
            if view.camera is not None and view.camera.is_moving:
                raise ValueError(
                    f"camera {view.id} moves: {self.spec.id} gives points in the frame of the first camera only"
                )
        return super().make_requests(request, folder)

    def read_outputs(
        self, request: Request, requests: Sequence[ExchangeRequest], results: Sequence[ExchangeResult], folder: Path
    ) -> Prediction:
        """Return the point maps, or the tracks from the request's anchors."""
        if "tracks" not in self.spec.outputs:
            return super().read_outputs(request, requests, results, folder)
        if request.anchors is None:
            raise ValueError(f"clip {request.clip_id} has no anchors to track")
        followed = []
        for (geometry, points), anchors, view_request in zip(
            read_geometries(requests, results, folder), request.anchors, requests, strict=True
        ):
            if geometry.flow is None:
                raise ValueError(f"{view_request.id}: the model has given no scene flow, which the preset tracks needs")
            window = int(view_request.options["window_size"])
            followed.append(_follow(points[:window], geometry.flow[:window], anchors, request.frames))
        tracks, valid = (np.stack(part) for part in zip(*followed, strict=True))
        return Prediction(tracks=tracks, anchors=request.anchors, valid=valid, scale=self.spec.scale)


def _follow(points: Array, flow: Array, anchors: Array, frames: int) -> tuple[Array, Array]:
    """Return tracks (``frames``, K, 3) and their validity, which ends with the frames of the maps."""
    K = fit_intrinsics(points[0])
    tracks, valid = follow_scene_flow(points, flow, K, anchors)
    rest = ((0, frames - len(tracks)), (0, 0))
    return np.pad(tracks, (*rest, (0, 0)), mode="edge"), np.pad(valid, rest)
