"""Geo4D (jzr99/Geo4D): depth, focal length and cameras of a video, up to one scale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from baselines.video_to_points import VideoToPoints
from hoibench.methods.geometry_file import Geometry
from hoibench.video.frame_map import FrameMap

NATIVE_SIZES = ((384, 512), (320, 512), (256, 576), (192, 640))
"""The (h, w) that it can work at."""


class Geo4D(VideoToPoints):
    """Point maps of each view, in the frame of each frame's own camera: its camera poses are not used.

    The pictures are padded, not stretched, since it fits one focal length to both axes.
    """

    worker = Path(__file__).with_name("worker.py")
    modules = (
        "torch",
        "torchvision",
        "pytorch_lightning",
        "omegaconf",
        "open_clip",
        "decord",
        "cv2",
        "pytorch3d",
        "evo",
        "roma",
    )
    option_names = ("steps",)
    least_frames = 16

    def map_frames(self, size: tuple[int, int]) -> FrameMap:
        """Return the map to the native size that shows pictures of (H, W) pixels largest, and of several such the one with the least padding."""
        height, width = size
        native = max(NATIVE_SIZES, key=lambda hw: (min(hw[0] / height, hw[1] / width), -hw[0] * hw[1]))
        return FrameMap.letterbox(size, native)

    def describe(self, geometry: Geometry) -> Mapping[str, Any]:
        """Return the focal length in its own pixels, and the largest motion of its camera, which stands still in most data sets."""
        assert geometry.K is not None and geometry.depth is not None and geometry.T_world_from_cam is not None
        R, t = geometry.T_world_from_cam[:, :3, :3], geometry.T_world_from_cam[:, :3, 3]
        cosine = (np.einsum("ij,nij->n", R[0], R) - 1.0) / 2.0
        distance = np.linalg.norm(t - t[0], axis=-1).max() / np.median(geometry.depth[0])
        return {
            "focal_px": round(float(geometry.K.reshape(-1, 3, 3)[0, 0, 0]), 2),
            "camera_turns_deg": round(float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).max()), 3),
            "camera_moves_by_median_depth": round(float(distance), 4),
        }
