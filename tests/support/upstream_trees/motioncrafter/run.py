"""A stand-in for MotionCrafter's run.py: the plane z = 2, which moves along x by 1 cm a frame."""

import argparse
from pathlib import Path

import fake_call
import numpy as np

mode = fake_call.start()
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--video_path", type=Path)
parser.add_argument("--save_folder", type=Path)
for flag in ("--cache_dir", "--unet_path", "--vae_path"):
    parser.add_argument(flag)
for flag in ("--height", "--width", "--num_inference_steps", "--window_size", "--decode_chunk_size", "--seed"):
    parser.add_argument(flag, type=int)
parser.add_argument("--guidance_scale", type=float)
parser.add_argument("--model_type", choices=["diff", "determ"])
parser.add_argument("--low_memory_usage", choices=["True", "False"])
args = parser.parse_args()
assert args.height % 64 == 0
assert args.width % 64 == 0
n, h, w = fake_call.read_video(args.video_path).shape[:3]
y, x = np.mgrid[:h, :w]
points = 2.0 * np.stack([(x - (w - 1) / 2) / 60, (y - (h - 1) / 2) / 60, np.ones(x.shape)], axis=-1)[None].repeat(n, 0)
found = {"point_map": points.astype(np.float16), "valid_mask": np.ones((n, h, w), dtype=bool)}
if mode != "noflow":
    flow = np.broadcast_to([0.01, 0.0, 0.0], points.shape)
    found |= {"scene_flow": flow.astype(np.float16), "deform_mask": np.ones((n, h, w), dtype=bool)}
args.save_folder.mkdir(parents=True, exist_ok=True)
np.savez(args.save_folder / (args.video_path.name.split(".")[0] + ".npz"), **found)
