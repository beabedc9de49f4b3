"""SyncMV4D as a method of the benchmark: ``python -m hoibench.run --method syncmv4d --checkpoint FOLDER``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hoibench.clip import Array, Prediction, Request
from hoibench.methods.method import Entrant, Method, Runtime
from reference_model.config import SyncMV4DConfig, preset
from reference_model.generation.answer import Answer, answer, to_uint8
from reference_model.loading.folder import REPOSITORY
from reference_model.loading.saved_model import LoadedModel, load_model, read_saved_config

CUSTOM = "custom"
"""The preset of a checkpoint that is held to no other preset."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""Of MJD's weights; the points aligner, the autoencoder and the drawing of motion are float32 always."""


class SyncMV4DMethod(Method):
    """Videos and tracks in V views from V images, a prompt and cameras."""

    def __init__(self, entrant: Entrant, runtime: Runtime) -> None:
        super().__init__(entrant, runtime)
        checkpoint = self.settings.get("checkpoint")
        if not isinstance(checkpoint, Path):
            raise ValueError(
                f"{entrant.key} needs --set {entrant.key}.checkpoint=FOLDER, and no weights of it are public yet: "
                "train it (python -m reference_model.train), and give the folder that this writes"
            )
        self._checkpoint = checkpoint
        if self.preset not in (None, CUSTOM):
            _check_preset(self.preset, read_saved_config(checkpoint)[0], checkpoint)
        with _told_what_to_lower(runtime):
            self._loaded: LoadedModel | None = load_model(
                checkpoint, wan_folder(runtime.weights), runtime.device, _DTYPES[runtime.precision]
            )

    def generate(self, request: Request) -> Prediction:
        """Videos, and the tracks of the request's anchors, or of points of the model's own choice.

        Raises:
            ValueError: the request is not one for this model; says what differs.
            torch.OutOfMemoryError: says what to lower.
        """
        return self.answer(request).prediction

    def answer(self, request: Request) -> Answer:
        """The prediction with the latents of its motion; raises as ``generate``."""
        assert self._loaded is not None, "the method is closed"
        with _told_what_to_lower(self.runtime):
            answered = answer(self._loaded, request)
        return answered._replace(prediction=self._signed(answered.prediction))

    def motion(self, answered: Answer) -> Array:
        """The motion pseudo-videos of an answer, (V, N, H, W, 3) uint8."""
        assert self._loaded is not None, "the method is closed"
        coder = self._loaded.coder
        with torch.no_grad(), _told_what_to_lower(self.runtime):
            return np.stack([to_uint8(coder.decode(z.to(self.runtime.device))).numpy() for z in answered.z_motion])

    def close(self) -> None:
        """Free the models."""
        self._loaded = None
        if self.runtime.device == "cuda":
            torch.cuda.empty_cache()

    def _signed(self, prediction: Prediction) -> Prediction:
        ours = {
            "preset": self.preset,
            "checkpoint": self._checkpoint.resolve().name,
            "precision": self.runtime.precision,
        }
        return replace(prediction, provenance={**ours, **prediction.provenance})


def wan_folder(weights: Path | None) -> Path | None:
    """The copy of Wan2.2 below a folder of weight files, or the folder itself, which then is the copy; None where none is given."""
    if weights is None:
        return None
    below = weights / REPOSITORY.rpartition("/")[2]
    return below if below.is_dir() else weights


def _check_preset(name: str, config: SyncMV4DConfig, checkpoint: Path) -> None:
    """Refuse a checkpoint of another preset; grid, sampling and the rest of the loop may be its own."""
    found, expected = _identity(config), _identity(preset(name))
    if unlike := [
        f"{each} {found[each]} ({name}: {value})" for each, value in expected.items() if found[each] != value
    ]:
        raise ValueError(
            f"{checkpoint} is not of preset {name}: {', '.join(unlike)}. Take syncmv4d+{CUSTOM}, or the preset's own checkpoint"
        )


def _identity(config: SyncMV4DConfig) -> dict[str, Any]:
    """What makes a trained model the preset's, by dotted name: how it begins and what computes its convolutions have no part in it."""
    parts = {"mjd": config.mjd, "dpa": config.dpa, "pseudo_video": config.pseudo_video, "vae": config.vae}
    values = {f"{part}.{name}": value for part, each in parts.items() for name, value in asdict(each).items()}
    del values["mjd.guidance_init"], values["dpa.sparse_conv"]
    return values | {"cycle.reading": config.cycle.reading}


@contextmanager
def _told_what_to_lower(runtime: Runtime) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        half = "" if runtime.precision == "bf16" else "--precision bf16 or "
        raise torch.OutOfMemoryError(
            f"the memory of {runtime.device} is full: give {half}--workers 1, or a checkpoint of a smaller grid"
        ) from error
