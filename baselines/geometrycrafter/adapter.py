"""GeometryCrafter (TencentARC/GeometryCrafter): camera-space point maps of a video, up to one scale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baselines.video_to_points import VideoToPoints
from hoibench.geometry.point_maps import fit_intrinsics
from hoibench.methods.geometry_file import Geometry


class GeometryCrafter(VideoToPoints):
    """Point maps of each view.

    The mask of valid points that it predicts is not applied, as in its own evaluation (evaluation/eval.py loads it and does not use it): its points
    there are still its answer.
    """

    worker = Path(__file__).with_name("worker.py")
    modules = ("torch", "diffusers", "transformers", "decord", "fire", "kornia")
    option_names = ("model_type", "steps", "window_size", "low_memory")

    def describe(self, geometry: Geometry) -> Mapping[str, Any]:
        """Return the focal lengths of its camera in pixels; its point maps are made of depth and these."""
        assert geometry.points is not None
        try:
            K = fit_intrinsics(geometry.points[0])
        except ValueError as error:
            return {"focal_px": None, "reason": str(error)}
        return {"focal_px": [round(float(K[0, 0]), 2), round(float(K[1, 1]), 2)]}
