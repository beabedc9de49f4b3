"""The worker of GeometryCrafter: calls its run.py for each video, in its environment."""

from __future__ import annotations

from pathlib import Path

import exchange_worker
import numpy as np
from exchange_worker import Json


def answer(request: Json, folder: Path) -> list[Json]:
    """Make the point maps of one view."""
    view, options = request["views"][0], request["options"]
    video, made, name = folder / view["video"], folder / "upstream", request["id"] + ".npz"
    # Sides must be multiples of 64; the point maps come back at the size of the video.
    height, width = [-(-side // 64) * 64 for side in request["size"]]
    flags = {
        "video_path": video,
        "save_folder": made,
        "cache_dir": exchange_worker.hub_cache(),
        "height": height,
        "width": width,
        "seed": request["seed"],
        "model_type": options["model_type"],
        "num_inference_steps": options["steps"],
        "guidance_scale": 1.0,
        "window_size": options["window_size"],
        "decode_chunk_size": 8,
        "overlap": 25,
        "force_projection": True,
        "force_fixed_focal": True,
        "low_memory_usage": options["low_memory"],
    }
    exchange_worker.run_script("run.py", exchange_worker.as_words(flags))
    with np.load(str(made / (video.stem + ".npz"))) as arrays:
        np.savez(str(folder / name), points=arrays["point_map"], valid=arrays["mask"])
    return [{"view": view["id"], "geometry": name}]


if __name__ == "__main__":
    exchange_worker.main(answer, packages=["torch", "diffusers", "transformers", "xformers", "numpy"])
