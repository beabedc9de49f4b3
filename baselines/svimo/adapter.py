"""SViMo (Droliven/SViMo_code), whose code is not published, by a program of the user that keeps to the contract of ``hoibench.methods.exchange``."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from hoibench.clip import Prediction, Request
from hoibench.methods.exchange import ExchangeRequest, ExchangeResult, read_frames, write_view
from hoibench.methods.method import Entrant, Runtime
from hoibench.methods.upstream import UpstreamMethod
from hoibench.problems import Problem
from hoibench.video import resize


class SViMo(UpstreamMethod):
    """One video for each view, from its reference image, its camera and the prompt."""

    @classmethod
    def preflight(cls, entrant: Entrant, runtime: Runtime) -> Iterable[Problem]:
        """Return whether the program in the setting ``command`` is missing."""
        command = entrant.settings.get("command")
        if command is not None:
            try:
                program = (*shlex.split(str(command)), "")[0]
            except ValueError as error:
                yield Problem("--set svimo.command", "", f"is {command!r} ({error})", "words as in a shell", "")
                return
            is_relative = Path(program).name != program and not Path(program).is_absolute()  # to the exchange folder
            if is_relative or shutil.which(program) is None:
                expected = "a program on PATH or its absolute path"
                yield Problem("--set svimo.command", "", f"is {command!r}", expected, "")

    def make_requests(self, request: Request, folder: Path) -> list[ExchangeRequest]:
        """Write the reference images, and return one request for each view.

        Raises:
            ValueError: a view has no reference image.
        """
        requests = []
        for index, view in enumerate(request.views):
            if view.image is None:
                raise ValueError(f"view {view.id} has no reference image")
            name = f"view-{index}"
            seen = write_view(folder, name, view, "reference", request.fps, image=view.image)
            requests.append(
                ExchangeRequest(
                    id=name, seed=request.seed, frames=request.frames, fps=request.fps, size=request.size, prompt=request.prompt, views=(seen,)
                )
            )  # fmt: skip
        return requests

    def read_outputs(
        self, request: Request, requests: Sequence[ExchangeRequest], results: Sequence[ExchangeResult], folder: Path
    ) -> Prediction:
        """Return the videos at the clip's size."""
        videos = []
        for result in results:
            if len(result.outputs) != 1 or result.outputs[0].video is None:
                raise ValueError(f"request {result.id} has no video")
            videos.append(resize(read_frames(folder / result.outputs[0].video, request.frames), request.size))
        return Prediction(video=np.stack(videos))
