"""The reference model, SyncMV4D, as a method of the benchmark: ``python -m hoibench.run --method syncmv4d``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hoibench.clip import Array, Prediction, Request
from hoibench.methods.method import Entrant, Method, Runtime
from hoibench.methods.spec import Spec, parse_spec
from hoibench.plugins import SPEC_FILE
from hoibench.problems import Problem
from reference_model.config import ABLATIONS, SyncMV4DConfig, preset
from reference_model.loading.folder import REPOSITORY
from reference_model.loading.model_folder import find_wan_parts, read_config_and_digest

if TYPE_CHECKING:
    from reference_model.generation.generate import Generated, Loop
    from reference_model.loading.saved_model import LoadedModel

CUSTOM = "custom"
"""Name of the preset for checkpoints of any configuration; others require a checkpoint of the configuration of that name, up to a ``-``."""
SHIPPED = "micro"
"""Name of the preset whose weights are part of hoibench."""

_LIBRARIES = ("torch", "transformers", "diffusers", "einops", "ftfy", "safetensors")
"""Libraries that the model needs; those of them that take seconds to import are imported when it is loaded, so that the preflight is quick."""


class SyncMV4DMethod(Method):
    """The reference model as a method: it generates videos and tracks of V views from one image per view, a prompt and the cameras."""

    def __init__(self, entrant: Entrant, runtime: Runtime) -> None:
        super().__init__(entrant, runtime)
        checkpoint = self.settings["checkpoint"]
        assert isinstance(checkpoint, Path), "required by the spec"
        self._checkpoint = checkpoint
        _check_checkpoint(checkpoint, self.preset)
        import torch

        from reference_model.loading.saved_model import load_model

        # Of the joint diffusion model; the points aligner, the autoencoder and the rendering of motion are always float32.
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[runtime.precision]
        with _explain_out_of_memory(runtime):
            loaded = load_model(checkpoint, wan_folder(runtime.weights), runtime.device, dtype)
        if (steps := self.settings.get("steps")) is not None:
            config = replace(loaded.config, flow=replace(loaded.config.flow, steps=steps))
            loaded = replace(loaded, config=config)
        self._loaded: LoadedModel | None = loaded
        self._loop: Loop = self.settings.get("loop", "on")

    @classmethod
    def preflight(cls, entrant: Entrant, runtime: Runtime) -> Iterable[Problem]:
        """Return libraries that are missing, and what is wrong with the checkpoint: no model's folder, another preset, no parts of Wan."""
        if missing := [name for name in _LIBRARIES if find_spec(name) is None]:
            yield Problem(
                ", ".join(missing),
                "",
                f"{'is' if len(missing) == 1 else 'are'} not installed",
                "",
                entrant.spec.environment,
            )
        checkpoint = entrant.settings.get("checkpoint")
        if not isinstance(checkpoint, Path):
            return
        try:
            _check_checkpoint(checkpoint, entrant.preset)
            find_wan_parts(checkpoint, wan_folder(runtime.weights))
        except (ValueError, FileNotFoundError) as error:
            yield Problem.from_text(str(error))

    def generate(self, request: Request) -> Prediction:
        """Return generated videos, and the tracks of the points at the request's anchors, or of points that the model chooses.

        Raises:
            ValueError: the request does not fit this model.
            torch.OutOfMemoryError: the message says what to lower.
        """
        return self.generate_with_motion(request).prediction

    def generate_with_motion(self, request: Request) -> Generated:
        """Return a prediction with the latents of its motion pseudo-videos.

        Raises:
            ValueError: the request does not fit this model.
            torch.OutOfMemoryError: the message says what to lower.
        """
        from reference_model.generation.generate import generate

        assert self._loaded is not None, "the method is closed"
        with _explain_out_of_memory(self.runtime):
            generated = generate(self._loaded, request, self._loop)
        provenance = {
            "preset": self.preset,
            "checkpoint": self._checkpoint.resolve().name,
            "precision": self.runtime.precision,
            "loop": self._loop,
        }
        prediction = generated.prediction
        prediction = replace(prediction, provenance={**provenance, **prediction.provenance})
        return generated._replace(prediction=prediction)

    def decode_motion(self, generated: Generated) -> Array:
        """Decode the motion pseudo-videos of a generated prediction, and return (V, N, H, W, 3) uint8; V is 0 for a model of videos only."""
        import torch

        from reference_model.generation.generate import to_uint8

        assert self._loaded is not None, "the method is closed"
        if generated.z_motion is None:
            config = self._loaded.config
            return np.zeros((0, config.frames, config.height, config.width, 3), np.uint8)
        autoencoder = self._loaded.autoencoders.motion
        with torch.no_grad(), _explain_out_of_memory(self.runtime):
            return np.stack(
                [to_uint8(autoencoder.decode(z.to(self.runtime.device))).numpy() for z in generated.z_motion]
            )

    def close(self) -> None:
        """Free the memory of the model; the method cannot generate afterwards."""
        self._loaded = None
        if self.runtime.device == "cuda":
            import torch

            torch.cuda.empty_cache()


def read_spec_text() -> str:
    """Return the text of ``spec.toml``, the description of this method for the benchmark."""
    return (files("reference_model") / SPEC_FILE).read_text(encoding="utf-8")


def read_spec() -> Spec:
    """Return this method's spec (its inputs, outputs and settings, from ``spec.toml``), whether or not the package is installed."""
    folder = Path(str(files("reference_model")))
    return parse_spec(f"reference_model/{SPEC_FILE}", tomllib.loads(read_spec_text()), folder)


def wan_folder(weights: Path | None) -> Path | None:
    """Return the folder with Wan2.2's weights: the subfolder of ``weights`` with Wan's name, or else ``weights`` itself; None for None."""
    if weights is None:
        return None
    subfolder = weights / REPOSITORY.rpartition("/")[2]
    return subfolder if subfolder.is_dir() else weights


def _check_checkpoint(checkpoint: Path, preset_name: str | None) -> None:
    """Check the files of a checkpoint, without reading weights, and that its configuration is that of the preset."""
    config = read_config_and_digest(checkpoint)[0]
    if preset_name not in (None, CUSTOM):
        is_row = preset_name in ABLATIONS
        _check_preset(preset_name if is_row else preset_name.partition("-")[0], config, checkpoint)


def _check_preset(name: str, config: SyncMV4DConfig, checkpoint: Path) -> None:
    """Check that a checkpoint's configuration matches a preset's; size, frames, sampling and most of the loop's options may differ.

    Raises:
        ValueError: they differ; names the fields and both values.
    """
    found, expected = (_identity(each, is_row=name in ABLATIONS) for each in (config, preset(name)))
    if differences := [
        f"{each} {found[each]} ({name}: {value})" for each, value in expected.items() if found[each] != value
    ]:
        raise ValueError(
            f"{checkpoint} does not match preset {name}: {', '.join(differences)}. "
            f"Use syncmv4d+{CUSTOM}, or a checkpoint of this preset"
        )


def _identity(config: SyncMV4DConfig, *, is_row: bool) -> dict[str, Any]:
    """Return the values in which a checkpoint must equal its preset, by the field's dotted name; a row of an ablation may differ in the loop."""
    parts = {"mjd": config.mjd, "dpa": config.dpa, "pseudo_video": config.pseudo_video, "vae": config.vae}
    values = {f"{part}.{name}": value for part, each in parts.items() for name, value in asdict(each).items()}
    del values["mjd.guidance_init"], values["dpa.sparse_conv"]
    values |= {"aligner": config.aligner, "cycle.reading": config.cycle.reading}
    if is_row:
        values |= {"cycle.guidance": config.cycle.guidance, "cycle.gradient": config.cycle.gradient}
    return values


@contextmanager
def _explain_out_of_memory(runtime: Runtime) -> Iterator[None]:
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        half = "" if runtime.precision == "bf16" else "--precision bf16 or "
        raise torch.OutOfMemoryError(
            f"out of memory on {runtime.device}: use {half}--workers 1, or a checkpoint of a smaller grid"
        ) from error
