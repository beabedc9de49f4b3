"""Diffusion as Shader (IGL-HKUST/DiffusionAsShader): the source video seen from a camera that moves away from the source view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hoibench.clip import CLUSTERS, Prediction, Request, View
from hoibench.methods.exchange import ExchangeRequest, ExchangeResult, read_frames, write_view
from hoibench.methods.upstream import UpstreamMethod
from hoibench.video import FrameMap, first_frames, hold_last_frame

FRAMES, FPS, SIZE = 49, 8.0, (480, 720)
"""What it makes; its demo.py leaves exactly these frames as they are (load_media), and drops or repeats others."""


class DiffusionAsShader(UpstreamMethod):
    """One video for each view, whose camera starts at the source view and moves as a setting says for the view's side of the rig.

    So the cameras of the views are not met: they are no input of its demo.py.
    """

    worker = Path(__file__).with_name("worker.py")
    modules = ("torch", "diffusers", "transformers", "moviepy", "image_gen_aux", "cv2", "easydict", "timm")

    def make_requests(self, request: Request, folder: Path) -> list[ExchangeRequest]:
        """Write the source video, and return one request for each view."""
        if request.frames > FRAMES:
            raise ValueError(f"{self.spec.id} makes {FRAMES} frames, clip {request.clip_id} has {request.frames}")
        source = request.source_videos[0]
        frame_map = FrameMap.stretch(request.size, SIZE)
        video = hold_last_frame(frame_map.to_native(source.video), FRAMES)
        seen = write_view(folder, "source", View(source.view.id), "source", FPS, video=video)
        return [
            ExchangeRequest(
                id=f"view-{index}", seed=request.seed, frames=FRAMES, fps=FPS, size=SIZE, prompt=request.prompt, views=(seen,),
                options={
                    "motion": str(self.settings[f"motion_{view.cluster or CLUSTERS[index % len(CLUSTERS)]}"]),
                    "checkpoint": str(self.settings["checkpoint"]),
                    "extrinsics": str(self.settings["extrinsics"]),
                },
            )
            for index, view in enumerate(request.views)
        ]  # fmt: skip

    def read_outputs(
        self, request: Request, requests: Sequence[ExchangeRequest], results: Sequence[ExchangeResult], folder: Path
    ) -> Prediction:
        """Return the videos at the clip's size."""
        frame_map = FrameMap.stretch(request.size, SIZE)
        made = [
            first_frames(read_frames(folder / str(result.outputs[0].video), FRAMES), request.frames)
            for result in results
        ]
        motions = [asked.options["motion"] for asked in requests]
        return Prediction(
            video=np.stack([frame_map.to_source(video) for video in made]), provenance={"motions": motions}
        )
