"""The worker of Diffusion as Shader: calls its scripts for each view, in its environment."""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import exchange_worker
import numpy as np
from exchange_worker import Json
from tracking_video import draw_tracking_video, move_to_camera

GRID = 70  # points in each direction, and with the sizes below as in models/pipelines.py, generate_tracking_spatracker
TRACKED_SIZE, WINDOW = (384, 576), 12


def answer(request: Json, folder: Path) -> list[Json]:
    """Make the video of one view."""
    source, name = request["views"][0], request["id"] + ".mp4"
    made = folder / (request["id"] + "-upstream")
    made.mkdir()
    make = make_native if "motion" in request["options"] else make_by_tracks
    make(request, folder, made).replace(folder / name)
    return [{"view": source["id"], "video": name}]


def make_native(request: Json, folder: Path, made: Path) -> Path:
    """Call its demo.py and return the video."""
    options = request["options"]
    flags = {
        "input_path": folder / request["views"][0]["video"],
        "prompt": request["prompt"] or "",
        "checkpoint_path": options["checkpoint"],
        "output_dir": made,
        "camera_motion": options["motion"],
        "tracking_method": "spatracker",
        "override_extrinsics": options["extrinsics"],
        "gpu": 0,
    }
    run("demo.py", flags, request["seed"])
    return made / "result.mp4"


def make_by_tracks(request: Json, folder: Path, made: Path) -> Path:
    """Draw the tracking video in the view's camera, call its testing/inference.py, and return the video."""
    source, target = request["views"]
    tracks = track(folder / source["video"], request["seed"])
    seen = move_to_camera(tracks, source["K"], source["T_world_from_cam"], target["K"], target["T_world_from_cam"])
    write_video(made / "tracking.mp4", draw_tracking_video(seen, tuple(request["size"]), tracks[0]), request["fps"])
    flags = {
        "prompt": request["prompt"] or "",
        "model_path": request["options"]["checkpoint"],
        "tracking_path": made / "tracking.mp4",
        "image_or_video_path": folder / target["image"],
        "generate_type": "i2v",
        "output_path": made / "out.mp4",
        "num_inference_steps": 50,
        "seed": request["seed"],
    }
    run("testing/inference.py", flags, request["seed"])
    return made / "out.mp4"


@functools.lru_cache(maxsize=1)  # the views have the same
def track(video: Path, seed: int) -> np.ndarray:
    """Return the (N, P, 3) tracks of a grid of points of a video: pixels, and depth in metres.

    Its own function (generate_tracking_spatracker) cannot be used: the depth that it tracks is stretched to 0 to 1 in each frame.
    """
    import torch
    from models.spatracker.predictor import SpaTrackerPredictor
    from moviepy.editor import VideoFileClip
    from PIL import Image
    from transformers import pipeline

    frames = np.stack(list(VideoFileClip(str(video)).iter_frames()))
    estimate = pipeline("depth-estimation", "Intel/zoedepth-nyu-kitti", device=0)
    depths = [estimate(Image.fromarray(frame))["predicted_depth"].cpu().numpy().squeeze() for frame in frames]
    height, width = frames.shape[1:3]
    depth = np.stack([cv2.resize(each.astype(np.float32), (width, height)) for each in depths])[:, None]
    torch.manual_seed(seed)
    tracker = SpaTrackerPredictor("checkpoints/spaT_final.pth", interp_shape=TRACKED_SIZE, seq_length=WINDOW).to("cuda")
    pictures = np.ascontiguousarray(frames.transpose(0, 3, 1, 2)[None], np.float32)
    tracks, _, _ = tracker(
        torch.from_numpy(pictures).to("cuda"), video_depth=torch.from_numpy(depth).to("cuda"), grid_size=GRID, wind_length=WINDOW
    )  # fmt: skip
    found = tracks[0].cpu().numpy()
    del estimate, tracker
    torch.cuda.empty_cache()
    return found


def write_video(path: Path, frames: np.ndarray, fps: float) -> None:
    """Write (N, H, W, 3) frames to a video."""
    from moviepy.editor import ImageSequenceClip

    clip = ImageSequenceClip(list(frames), fps=fps)
    clip.write_videofile(str(path), codec="libx264", fps=fps, logger=None, ffmpeg_params=["-crf", "10"])


def run(script: str, flags: Json, seed: int) -> None:
    """Run a script.  Both scripts draw the latents of the tracking video from the global generator, and demo.py has no seed of its own but 42."""
    exchange_worker.run_script(script, exchange_worker.as_words(flags), seed)


if __name__ == "__main__":
    exchange_worker.main(answer, packages=["torch", "diffusers", "transformers", "moviepy"])
