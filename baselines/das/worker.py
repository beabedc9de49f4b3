"""The worker of Diffusion as Shader: calls its demo.py for each view, in its environment."""

from __future__ import annotations

from pathlib import Path

import exchange_worker
from exchange_worker import Json


def answer(request: Json, folder: Path) -> list[Json]:
    """Make the video of one view."""
    view, options = request["views"][0], request["options"]
    made, name = folder / (request["id"] + "-upstream"), request["id"] + ".mp4"
    flags = {
        "input_path": folder / view["video"],
        "prompt": request["prompt"] or "",
        "checkpoint_path": options["checkpoint"],
        "output_dir": made,
        "camera_motion": options["motion"],
        "tracking_method": "spatracker",
        "override_extrinsics": options["extrinsics"],
        "gpu": 0,
    }
    arguments = [word for key, value in flags.items() for word in ("--" + key, value)]
    # Its own seed is always 42, but it encodes the tracking video by a draw of the global generator.
    exchange_worker.run_script("demo.py", arguments, seed=request["seed"])
    (made / "result.mp4").replace(folder / name)
    return [{"view": view["id"], "video": name}]


if __name__ == "__main__":
    exchange_worker.main(answer, packages=["torch", "diffusers", "transformers", "moviepy"])
