"""The worker of Stable Video 4D 2.0: calls its sampler on windows of 12 frames, in its environment.

Its own script (scripts/sampling/simple_video_sample_4d2.py) cannot make more than 23 frames: later windows start on frames that it has not made.  It
also takes the object to be in the middle of the picture, and confuses width and height there.  So the windows and the square are made here.
"""

from __future__ import annotations

import math
from pathlib import Path

import exchange_worker
import numpy as np
from exchange_worker import Json

WINDOW, VIEWS, SIDE = 12, 4, 576
CHECKPOINT = "checkpoints/sv4d2.safetensors"
OBJECT_PART = 0.9  # of the square's side, as in the script


def answer(request: Json, folder: Path) -> list[Json]:
    """Make the videos of all views."""
    source, *targets = request["views"]
    import rembg

    session = rembg.new_session()
    frames = read_video(folder / source["video"])
    cut_out = np.stack([rembg.remove(frame, session=session, alpha_matting=True) for frame in frames])
    box = find_square(cut_out[..., 3])
    square = cut_square(cut_out, box)
    made = generate(square, request["seed"], request["options"])
    outputs = []
    for index, view in enumerate(targets):
        name = f"view-{index}.mp4"
        write_video(folder / name, made[:, index], request["fps"])
        outputs.append({"view": view["id"], "video": name, "box": box})
    return outputs


def plan_windows(frames: int) -> list[int]:
    """Return the first frames of the windows that cover at least 12 frames: each but the first is a frame that an earlier window has made."""
    return [*range(0, frames - WINDOW, WINDOW - 1), frames - WINDOW]


def find_square(alpha: np.ndarray) -> tuple[int, int, int, int]:
    """Return the square (top, left, side, side) around everything that is at least half opaque in the alpha channels (n, H, W)."""
    seen = (alpha >= 128).any(axis=0)
    if not seen.any():
        raise ValueError("rembg has found no object in the source video")
    rows, columns = np.nonzero(seen.any(axis=1))[0], np.nonzero(seen.any(axis=0))[0]
    height, width = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    side = math.ceil(max(height, width) / OBJECT_PART)
    return int(rows[0] - (side - height) // 2), int(columns[0] - (side - width) // 2), side, side


def cut_square(frames: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return the frames (n, H, W, 4) inside of the square on white, at its size: (n, 3, 576, 576) from -1 to 1."""
    from PIL import Image

    top, left, side, _ = box
    square = np.zeros((len(frames), side, side, 4), np.uint8)
    rows, columns = (slice(max(-start, 0), side) for start in (top, left))
    part = frames[:, max(top, 0) : top + side, max(left, 0) : left + side]
    square[:, rows, columns][:, : part.shape[1], : part.shape[2]] = part
    resized = [np.asarray(Image.fromarray(frame).resize((SIDE, SIDE), Image.LANCZOS)) for frame in square]
    colour, alpha = np.split(np.stack(resized).astype(np.float32) / 255, [3], axis=-1)
    return (colour * alpha + 1 - alpha).transpose(0, 3, 1, 2) * 2 - 1


def generate(frames: np.ndarray, seed: int, options: Json) -> np.ndarray:
    """Return the (n, 4, 3, 576, 576) frames from -1 to 1 that it makes of the source frames (n, 3, 576, 576)."""
    import torch
    from scripts.demo.sv4d_helpers import load_model, run_img2vid
    from sgm.modules.encoders.modules import VideoPredictionEmbedderWithEncoder

    model, _ = load_model(
        "scripts/sampling/configs/sv4d2.yaml", "cuda", WINDOW * VIEWS, options["steps"], False, CHECKPOINT
    )
    model.en_and_decode_n_samples_a_time = options["decoding_t"]
    for embedder in model.conditioner.embedders:
        if isinstance(embedder, VideoPredictionEmbedderWithEncoder):
            embedder.en_and_decode_n_samples_a_time = options["encoding_t"]
    azimuths, elevations = (np.radians([float(x) for x in options[k].split()]) for k in ("azimuths", "elevations"))
    azimuths = np.tile((azimuths[1:] - azimuths[0]) % (2 * np.pi), WINDOW)
    polars = np.tile((elevations[0] - elevations[1:] + np.pi / 2) % (2 * np.pi), WINDOW)
    made = np.zeros((len(frames), VIEWS, *frames.shape[1:]), np.float32)
    torch.manual_seed(seed)  # run_img2vid does not use its seed
    for start in plan_windows(len(frames)):
        window = slice(start, start + WINDOW)
        image, motion, first = (
            torch.from_numpy(np.ascontiguousarray(part)).to("cuda")
            for part in (frames[start : start + 1], frames[window], made[start])
        )
        samples = run_img2vid(
            sampling_options(options["steps"]), model, image, seed, polars, azimuths, motion, first,
            options["decoding_t"], cond_mv=start > 0,
        )  # fmt: skip
        made[window] = samples.float().cpu().numpy().reshape(made[window].shape) * 2 - 1
    return made


def sampling_options(steps: int) -> Json:
    """Return the ``version_dict`` of the script for this model."""
    unconditional = ["cond_frames", "cond_frames_without_noise", "cond_view", "cond_motion"]
    options = {
        "discretization": 1, "cfg": 2.0, "min_cfg": 2.0, "num_views": VIEWS, "sigma_min": 0.002, "sigma_max": 700.0, "rho": 7.0, "guider": 2,
        "force_uc_zero_embeddings": unconditional, "num_steps": steps,
        "additional_guider_kwargs": {"additional_cond_keys": ["cond_view", "cond_motion"]},
    }  # fmt: skip
    return {"T": WINDOW * VIEWS, "H": SIDE, "W": SIDE, "C": 4, "f": 8, "options": options}


def read_video(path: Path) -> np.ndarray:
    """Return the (n, H, W, 3) frames of a video that hoibench has written."""
    import av

    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return np.stack([frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray() for frame in frames])


def write_video(path: Path, frames: np.ndarray, fps: float) -> None:
    """Write frames (n, 3, h, w) from -1 to 1 to a video."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=round(fps), options={"crf": "12"})
        stream.height, stream.width, stream.pix_fmt = frames.shape[2], frames.shape[3], "yuv420p"
        for frame in np.rint((frames.transpose(0, 2, 3, 1) + 1) * 127.5).clip(0, 255).astype(np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    exchange_worker.main(answer, packages=["torch", "xformers", "rembg", "numpy"])
