"""Diffusion as Shader (IGL-HKUST/DiffusionAsShader): a video whose points move as those of the source video, seen from another camera."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoibench.clip import CLUSTERS, Array, Prediction, Request, View
from hoibench.methods.exchange import ExchangeRequest, ExchangeResult, ExchangeView, Role, read_frames, write_view
from hoibench.methods.upstream import UpstreamMethod
from hoibench.video import FrameMap, first_frames, hold_last_frame

FRAMES, FPS, SIZE = 49, 8.0, (480, 720)
"""The video that the model makes: frames, frames per second, (H, W).  demo.py leaves such an input as it is (load_media)."""


class DiffusionAsShader(UpstreamMethod):
    """One video for each view.

    With the preset ``native``, its camera starts at the source view and moves as a setting says for the view's side of the rig, so the cameras of the
    views are not met: they are no input of its demo.py.  With ``tracking``, it starts with the view's reference image, and its tracking video has the
    points of the source video as the view's camera sees them.
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
        seen = _write_view(folder, "source", source.view, "source", frame_map, video=video)
        requests = []
        for index, view in enumerate(request.views):
            views: tuple[ExchangeView, ...] = (seen,)
            options: dict[str, Any] = {"checkpoint": str(self.settings["checkpoint"])}
            if self.preset == "tracking":
                if view.image is None or view.camera is None or source.view.camera is None:
                    raise ValueError(
                        f"clip {request.clip_id}: {self.spec.id}+tracking needs the cameras and the reference images"
                    )
                image = frame_map.to_native(view.image[None])[0]
                views += (_write_view(folder, f"view-{index}", view, "reference", frame_map, image=image),)
            else:
                side = view.cluster or CLUSTERS[index % len(CLUSTERS)]
                options |= {"motion": self.settings[f"motion_{side}"], "extrinsics": self.settings["extrinsics"]}
            requests.append(
                ExchangeRequest(
                    id=f"view-{index}", seed=request.seed, frames=FRAMES, fps=FPS, size=SIZE, prompt=request.prompt, views=views,
                    options=options,
                )
            )  # fmt: skip
        return requests

    def read_outputs(
        self, request: Request, requests: Sequence[ExchangeRequest], results: Sequence[ExchangeResult], folder: Path
    ) -> Prediction:
        """Return the videos at the clip's size."""
        frame_map = FrameMap.stretch(request.size, SIZE)
        files = [folder / str(result.outputs[0].video) for result in results]
        videos = [frame_map.to_source(first_frames(read_frames(file, FRAMES), request.frames)) for file in files]
        return Prediction(video=np.stack(videos))


def _write_view(
    folder: Path, stem: str, view: View, role: Role, frame_map: FrameMap, *,
    image: Array | None = None, video: Array | None = None,
) -> ExchangeView:  # fmt: skip
    """Write the pictures of a view, with the intrinsics at their size."""
    K = None if view.camera is None else frame_map.K_native(view.camera.K)
    return write_view(folder, stem, view, role, FPS, image=image, video=video, K=K)
