"""A method whose upstream code is the fake tree ``toy``."""

from pathlib import Path

import numpy as np

from hoibench.clip import Prediction
from hoibench.methods.exchange import ExchangeRequest, write_view
from hoibench.methods.geometry_file import read_geometry
from hoibench.methods.upstream import UpstreamMethod


class Toy(UpstreamMethod):
    """Makes point maps of each view's video."""

    worker = Path(__file__).with_name("worker.py")

    def make_requests(self, request, folder):
        return [
            ExchangeRequest(
                id=f"view-{index}", seed=request.seed, frames=request.frames, fps=request.fps, size=request.size,
                views=(write_view(folder, f"view-{index}-source", source.view, "target", request.fps, video=source.video),),
            )
            for index, source in enumerate(request.source_videos)
        ]  # fmt: skip

    def read_outputs(self, request, requests, results, folder):
        files = [folder / result.outputs[0].geometry for result in results]
        maps = [read_geometry(path, request.frames, request.size).points for path in files]
        return Prediction(points=np.stack(maps), scale="per_view")
