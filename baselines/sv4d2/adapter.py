"""Stable Video 4D 2.0 (Stability-AI/generative-models): a square video of an object from four other sides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baselines.sv4d2.viewing_angles import viewing_angles
from hoibench.clip import Camera, Prediction, Request
from hoibench.methods.exchange import ExchangeRequest, ExchangeResult, read_frames, write_view
from hoibench.methods.upstream import UpstreamMethod
from hoibench.video import FrameMap, first_frames, hold_last_frame

VIEWS = 4
"""The number of views that it makes together."""

LEAST_FRAMES = 12

WHITE = 250
"""Pixels whose mean over the channels is larger are its white background (scripts/demo/sv4d_helpers.py, white_thresh)."""


class StableVideo4D2(UpstreamMethod):
    """Videos of the object from the sides of the target cameras, on white.

    It sees a square around the object of the source video, and its cameras only by their angles.  Its squares are pasted where that square was.
    """

    worker = Path(__file__).with_name("worker.py")
    modules = ("torch", "omegaconf", "pytorch_lightning", "open_clip", "clip", "xformers", "rembg", "av", "cv2")

    def make_requests(self, request: Request, folder: Path) -> list[ExchangeRequest]:
        """Write the source video, and return one request for all views."""
        source = request.source_videos[0]
        cameras = [view.camera for view in (source.view, *request.views) if view.camera is not None]
        if len(cameras) != 1 + len(request.views):
            raise ValueError(
                f"clip {request.clip_id} has no cameras, from which {self.spec.id} gets its viewing angles"
            )
        if len(request.views) > VIEWS:
            raise ValueError(
                f"{self.spec.id} makes {VIEWS} views together, clip {request.clip_id} has {len(request.views)}"
            )
        video = hold_last_frame(source.video, max(request.frames, LEAST_FRAMES))
        views = (
            write_view(folder, "source", source.view, "source", request.fps, video=video),
            *(write_view(folder, view.id, view, "reference", request.fps) for view in request.views),
        )
        options: dict[str, Any] = {name: self.settings[name] for name in ("steps", "encoding_t", "decoding_t")}
        options |= self._describe_angles(cameras)
        return [
            ExchangeRequest(
                id="views", seed=request.seed, frames=len(video), fps=request.fps, size=request.size, views=views, options=options
            )
        ]  # fmt: skip

    def _describe_angles(self, cameras: Sequence[Camera]) -> dict[str, str]:
        """Return the angles of the source camera and of ``VIEWS`` target views as texts of numbers; views that nobody asked for are central."""
        azimuths, elevations = viewing_angles(cameras)
        azimuths = azimuths * int(str(self.settings["azimuth_sign"]))
        middle = np.degrees(np.angle(np.exp(1j * np.radians(azimuths[1:])).sum())), elevations[1:].mean()
        texts = {}
        for name, angles, filled in zip(("azimuths", "elevations"), (azimuths, elevations), middle, strict=True):
            complete = [*angles, *[filled] * (1 + VIEWS - len(angles))]
            texts[name] = " ".join(f"{angle:.2f}" for angle in complete)
        return texts

    def read_outputs(
        self, request: Request, requests: Sequence[ExchangeRequest], results: Sequence[ExchangeResult], folder: Path
    ) -> Prediction:
        """Return the videos pasted on white, and masks of what is not white."""
        outputs = {output.view: output for output in results[0].outputs}
        videos, masks = [], []
        for view in request.views:
            output = outputs[view.id]
            square = first_frames(read_frames(folder / str(output.video), requests[0].frames), request.frames)
            assert output.box is not None
            frame_map = FrameMap(request.size, output.box, (square.shape[1], square.shape[2]))
            videos.append(frame_map.to_source(square, fill=255))
            is_object = (square.mean(axis=-1, keepdims=True) <= WHITE).astype(np.float32)
            masks.append(frame_map.maps_to_source(is_object)[..., 0] > 0)
        angles = {f"{name}_deg": requests[0].options[name] for name in ("azimuths", "elevations")}
        return Prediction(video=np.stack(videos), masks=np.stack(masks), crop=output.box, provenance=angles)
