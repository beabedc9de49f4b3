"""The base class of methods that make point maps of each view's video, one view after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hoibench.clip import Array, Prediction, Request, View
from hoibench.geometry.point_maps import points_from_depth
from hoibench.methods.exchange import ExchangeRequest, ExchangeResult, write_view
from hoibench.methods.geometry_file import Geometry, read_geometry
from hoibench.methods.upstream import UpstreamMethod
from hoibench.video.frame_map import FrameMap, first_frames, hold_last_frame


class VideoToPoints(UpstreamMethod):
    """A method that sees the video of each view, without its camera, and makes a point map of each frame.

    Attributes:
        option_names: the settings that its worker receives.
        least_frames: the least number of frames that it can work on; for fewer, the last frame is held.
    """

    option_names: ClassVar[tuple[str, ...]] = ()
    least_frames: ClassVar[int] = 1

    def map_frames(self, size: tuple[int, int]) -> FrameMap:
        """Return the map from pictures of (H, W) pixels to those that the worker gets: the same, unless a subclass changes it."""
        return FrameMap.stretch(size, size)

    def make_requests(self, request: Request, folder: Path) -> list[ExchangeRequest]:
        """Write the video of each view, and return one request for each."""
        if not request.source_videos:
            raise ValueError(f"clip {request.clip_id} has no videos of its views, which {self.spec.id} needs")
        frame_map = self.map_frames(request.size)
        frames = max(request.frames, self.least_frames)
        options: dict[str, Any] = {name: self.settings[name] for name in self.option_names}
        requests = []
        for index, source in enumerate(request.source_videos):
            video = hold_last_frame(frame_map.to_native(source.video), frames)
            view = write_view(folder, f"view-{index}", View(source.view.id), "target", request.fps, video=video)
            requests.append(
                ExchangeRequest(
                    id=f"view-{index}", seed=request.seed, frames=frames, fps=request.fps, size=frame_map.native, views=(view,),
                    options=options,
                )
            )  # fmt: skip
        return requests

    def read_outputs(
        self, request: Request, requests: Sequence[ExchangeRequest], results: Sequence[ExchangeResult], folder: Path
    ) -> Prediction:
        """Return the point maps on the clip's pixels, with what ``describe`` says of each view as provenance."""
        geometries = read_geometries(requests, results, folder)
        frame_map = self.map_frames(request.size)
        maps = (first_frames(points, request.frames).astype(np.float16) for _, points in geometries)
        return Prediction(
            points=np.stack([frame_map.maps_to_source(points) for points in maps]),
            scale=self.spec.scale,
            provenance={"views": [self.describe(geometry) for geometry, _ in geometries]},
        )

    def describe(self, geometry: Geometry) -> Mapping[str, Any]:
        """Return facts about a view's result for the provenance."""
        return {}


def read_geometries(
    requests: Sequence[ExchangeRequest], results: Sequence[ExchangeResult], folder: Path
) -> list[tuple[Geometry, Array]]:
    """Return the geometry of each request with its point maps (N, h, w, 3), which are made from depth where there are none.

    Raises:
        ValueError: a file is missing or wrong, or has no point maps.
    """
    geometries = []
    for view_request, result in zip(requests, results, strict=True):
        (output,) = result.outputs
        geometry = read_geometry(folder / str(output.geometry), view_request.frames, view_request.size)
        geometries.append((geometry, _find_points(geometry, str(output.geometry))))
    return geometries


def _find_points(geometry: Geometry, file: str) -> Array:
    if geometry.points is not None:
        return geometry.points
    if geometry.depth is None or geometry.K is None:
        raise ValueError(f"{file}: neither an array 'points', nor 'depth' with 'K'")
    K = np.broadcast_to(geometry.K, (len(geometry.depth), 3, 3))
    return np.stack([points_from_depth(depth, K[n]) for n, depth in enumerate(geometry.depth)])
