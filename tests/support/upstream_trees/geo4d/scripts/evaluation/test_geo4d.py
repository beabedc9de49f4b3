"""A stand-in for Geo4D's script: a plane in depth, and a camera that turns by 90 degrees about z in the last frame."""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(1, os.path.join(sys.path[0], "..", ".."))

import fake_call
import numpy as np

mode = fake_call.start()
parser = argparse.ArgumentParser(allow_abbrev=False)
for flag in ("--video_path", "--savedir", "--ckpt_path", "--config"):
    parser.add_argument(flag, type=Path)
for flag in (
    "--seed",
    "--n_samples",
    "--bs",
    "--height",
    "--width",
    "--ddim_steps",
    "--video_length",
    "--frame_stride",
):
    parser.add_argument(flag, type=int)
for flag in ("--unconditional_guidance_scale", "--ddim_eta", "--guidance_rescale"):
    parser.add_argument(flag, type=float)
parser.add_argument("--frame_sampling_stride", type=int)
parser.add_argument("--timestep_spacing")
parser.add_argument("--text_input", action="store_true")
parser.add_argument("--perframe_ae", action="store_true")
args = parser.parse_args()
assert args.ckpt_path.is_file()
assert args.config.is_file()
assert (args.width, args.height) in [(512, 384), (512, 320), (576, 256), (640, 192)]
if mode == "keys":  # as a checkpoint with other keys does
    breakpoint()
n, h, w = fake_call.read_video(args.video_path).shape[:3]
assert (h, w) == (args.height, args.width), "it would stretch the pictures"
assert n >= 16, "a negative slice"
name = args.video_path.name.split(".")[0]
out = args.savedir / name / name
out.mkdir(parents=True)
for i in range(n):
    np.save(out / f"frame_{i:04d}.npy", np.full((h, w), 2.0 + 0.25 * i, np.float32))
    np.save(out / f"conf_{i}.npy", np.ones((h, w), np.float32))
    np.save(out / f"init_conf_{i}.npy", np.ones((h, w), np.float32))
    (out / f"frame_{i:04d}.png").touch()
    (out / f"frame_colordepth_{i:04d}.png").touch()
(out / "colored_depth_maps.gif").touch()
(out / f"{name}.glb").touch()
np.savetxt(out / "pred_focal.txt", np.full((n, 1), 400.0), fmt="%.6f")
np.savetxt(out / "pred_intrinsics.txt", np.tile([400.0, 0, w / 2, 0, 400, h / 2, 0, 0, 1], (n, 1)), fmt="%.6f")
poses = [f"{float(i)} 0.5 0.0 0.0 1.0 0.0 0.0 0.0\n" for i in range(n - 1)]
half = np.sqrt(0.5)
(out / "pred_traj.txt").write_text("".join(poses) + f"{float(n - 1)} 0.5 0.0 1.0 {half} 0.0 0.0 {half}\n")
