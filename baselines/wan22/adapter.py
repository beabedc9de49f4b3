"""The image-to-video model WAN2.2 TI2V-5B as a method: one video per view, from the view's reference image and the prompt.

torch and diffusers are imported when the method is loaded, so that ``preflight`` is quick.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from baselines.wan22.checkpoint import DOWNLOAD, find_problems
from hoibench.clip import Array, Prediction, Request, View
from hoibench.methods.method import Entrant, Method, Runtime
from hoibench.problems import Problem, raise_if_any
from hoibench.video import resize

_MODULES = ("accelerate", "diffusers", "ftfy", "torch", "transformers")
_OTHER_COPY = "encoder.embed_tokens.weight"
"""The second name of the text encoder's table of embeddings, which Wan's files store once."""


class Wan22(Method):
    """WAN2.2 TI2V-5B by the pipeline of diffusers; a view's video begins with its reference image."""

    def __init__(self, entrant: Entrant, runtime: Runtime) -> None:
        super().__init__(entrant, runtime)
        folder = Path(str(self.settings["checkpoint"]))
        raise_if_any(find_problems(folder))
        flow_shift = self.settings["flow_shift"]
        assert isinstance(flow_shift, float), "declared by the spec"
        self.pipeline = load_pipeline(folder, runtime.precision, flow_shift)
        self._place()

    @classmethod
    def preflight(cls, entrant: Entrant, runtime: Runtime) -> Iterable[Problem]:
        """Return the libraries and the files of the checkpoint that are missing."""
        missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
        if missing:
            yield Problem("wan22", "", f"needs {', '.join(missing)}", "", entrant.spec.environment)
        if "checkpoint" in entrant.settings:
            yield from find_problems(Path(str(entrant.settings["checkpoint"])))

    def generate(self, request: Request) -> Prediction:
        """Return a video per view, each from the same seed; sizes and lengths that the model cannot make are reached by resizing and cutting.

        Raises:
            ValueError: a view has no reference image, the pictures are smaller than 32 x 32, or the networks gave NaN.
        """
        size, frames = self._native(request)
        video = np.stack([self._generate_view(request, view, size, frames) for view in request.views])
        versions = {name: importlib.metadata.version(name) for name in ("diffusers", "transformers")}
        sampling = {name: self.settings[name] for name in ("steps", "guidance", "flow_shift", "negative_prompt")}
        provenance = {
            "engine": versions,
            "precision": self.runtime.precision,
            "size": list(size),
            "frames": frames,
            "seeds": "the same for each view",
        }
        return Prediction(video=video, provenance=provenance | sampling)

    def _native(self, request: Request) -> tuple[tuple[int, int], int]:
        """Return the size (h, w) and number of frames to generate: multiples of 32, not larger, and 4n + 1, not fewer."""
        vae, patch = self.pipeline.vae.config, self.pipeline.transformer.config.patch_size
        size = tuple(
            length // (vae.scale_factor_spatial * side) * (vae.scale_factor_spatial * side)
            for length, side in zip(request.size, patch[1:], strict=True)
        )
        if min(size) == 0:
            raise ValueError(f"{request.clip_id} has pictures of {request.size}, the model needs at least 32 x 32")
        stride = vae.scale_factor_temporal
        return (size[0], size[1]), -(-(request.frames - 1) // stride) * stride + 1

    def _generate_view(self, request: Request, view: View, size: tuple[int, int], frames: int) -> Array:
        import torch
        from PIL import Image

        if view.image is None:
            raise ValueError(f"view {view.id} has no reference image")
        (made,) = self.pipeline(
            image=Image.fromarray(resize(view.image[None], size)[0]),
            prompt=request.prompt or "",
            negative_prompt=self.settings["negative_prompt"],
            height=size[0],
            width=size[1],
            num_frames=frames,
            num_inference_steps=self.settings["steps"],
            guidance_scale=self.settings["guidance"],
            generator=torch.Generator("cpu").manual_seed(request.seed),  # noise that does not depend on the device
            output_type="np",
        ).frames
        if not np.isfinite(made).all():
            raise ValueError(f"view {view.id}: the networks gave NaN")
        return resize((made[: request.frames] * 255).round().astype(np.uint8), request.size)

    def _place(self) -> None:
        """Move the networks to the device, or let them wait in main memory until they are used."""
        self.pipeline.set_progress_bar_config(disable=True)
        offload = self.settings["offload"]
        if self.runtime.device == "cpu" or offload == "none":
            self.pipeline.to(self.runtime.device)
        elif offload == "model":
            self.pipeline.enable_model_cpu_offload(device=self.runtime.device)
        else:
            self.pipeline.enable_sequential_cpu_offload(device=self.runtime.device)

    def close(self) -> None:
        """Free the memory of the networks; the method cannot generate afterwards."""
        self.pipeline = None
        if self.runtime.device == "cuda":
            import torch

            torch.cuda.empty_cache()


def load_pipeline(folder: Path, precision: str, flow_shift: float) -> Any:
    """Load the image-to-video pipeline from a copy of Wan2.2-TI2V-5B-Diffusers, whose own index names the pipeline without an image.

    The autoencoder is always float32; the transformer's embeddings of time, modulation and norms are too, by diffusers' own rule.

    Args:
        folder: the copy.
        precision: ``fp32`` or ``bf16``, of the transformer and the text encoder.
        flow_shift: shift of the noise schedule.

    Raises:
        ValueError: weights are missing, of which the libraries only warn.
    """
    import diffusers
    import torch
    import transformers

    library: Any = diffusers  # some of its classes have no types

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    text_encoder = _load_part(transformers.UMT5EncoderModel, folder / "text_encoder", dtype)
    # Wan's file says tie_word_embeddings false, and not every version of transformers ties the two then.
    text_encoder.set_input_embeddings(text_encoder.shared)
    pipeline = library.WanImageToVideoPipeline.from_pretrained(
        folder,
        transformer=_load_part(library.WanTransformer3DModel, folder / "transformer", dtype),
        vae=_load_part(library.AutoencoderKLWan, folder / "vae", torch.float32),
        text_encoder=text_encoder,
        dtype=dtype,
        local_files_only=True,
    )
    pipeline.scheduler = library.UniPCMultistepScheduler.from_config(pipeline.scheduler.config, flow_shift=flow_shift)
    return pipeline


def _load_part(model: Any, folder: Path, dtype: Any) -> Any:
    """Load a network of diffusers or transformers, which fill missing weights with noise, after checking that none is missing."""
    network, info = model.from_pretrained(folder, dtype=dtype, local_files_only=True, output_loading_info=True)
    if missing := sorted({*info["missing_keys"], *map(str, info["mismatched_keys"])} - {_OTHER_COPY}):
        raise ValueError(f"{folder} lacks {len(missing)} weights, e.g. {missing[0]}. Download it again: {DOWNLOAD}")
    return network.eval()
