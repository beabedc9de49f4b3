"""A stand-in for GeometryCrafter's run.py: the plane z = 2, or the point maps in the folder FAKE_MAPS, files CLIP-VIDEO.npy."""

import argparse
import os
import sys
from pathlib import Path

import fake_call
import numpy as np

mode = fake_call.start()
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--video_path", type=Path)
parser.add_argument("--save_folder", type=Path)
parser.add_argument("--cache_dir")
parser.add_argument("--height", type=int)
parser.add_argument("--width", type=int)
parser.add_argument("--seed", type=int)
parser.add_argument("--model_type", choices=["diff", "determ"])
parser.add_argument("--num_inference_steps", type=int)
parser.add_argument("--guidance_scale", type=float)
parser.add_argument("--window_size", type=int)
parser.add_argument("--decode_chunk_size", type=int)
parser.add_argument("--overlap", type=int)
for flag in ("--force_projection", "--force_fixed_focal", "--low_memory_usage"):
    parser.add_argument(flag, choices=["True", "False"])
args = parser.parse_args()
assert Path("third_party/moge/moge/model/moge_model.py").is_file(), "run in the tree"
assert args.height % 64 == 0
assert args.width % 64 == 0
n, h, w = fake_call.read_video(args.video_path).shape[:3]
name = args.video_path.name.split(".")[0]
if "FAKE_MAPS" in os.environ:
    points = np.load(Path(os.environ["FAKE_MAPS"]) / f"{args.video_path.parent.name}-{name}.npy")
else:
    y, x = np.meshgrid(np.linspace(-1, 1, h), np.linspace(-1, 1, w), indexing="ij")  # the edges are included
    points = 2.0 * np.stack([0.4 * x, 0.4 * h / w * y, np.ones_like(x)], axis=-1)[None].repeat(n, 0)
    points[:, :, : w // 2] *= 1.0 + 0.5 * args.seed  # another depth on the left
points, mask = points.astype(np.float16), np.ones(points.shape[:3], dtype=bool)
mask[:, 0] = False
if mode == "half":
    sys.exit("CUDA out of memory")
if mode == "frames":
    points, mask = points[1:], mask[1:]
if mode == "nan":
    points[2, 3] = np.nan
args.save_folder.mkdir(parents=True, exist_ok=True)
np.savez(args.save_folder / f"{name}.npz", point_map=points, mask=mask)
