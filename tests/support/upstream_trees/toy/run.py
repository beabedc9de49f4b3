"""A stand-in for upstream code: a point map of the plane z = 2 at each frame, in an npz file named after the video."""

import argparse
import sys
from pathlib import Path

import fake_call
import numpy as np

mode = fake_call.start()
parser = argparse.ArgumentParser()
parser.add_argument("--video", type=Path)
parser.add_argument("--out", type=Path)
parser.add_argument("--frames", type=int)
parser.add_argument("--size", type=int, nargs=2)
parser.add_argument("--seed", type=int)
args = parser.parse_args()
assert args.video.read_bytes()[4:8] == b"ftyp", "an mp4 file"
y, x = np.mgrid[: args.size[0], : args.size[1]]
points = np.stack([x, y, np.full(x.shape, 2.0 + args.seed)], axis=-1)[None].repeat(args.frames, 0).astype(np.float16)
if mode == "half":
    args.out.write_bytes(b"PK")
    sys.exit("out of luck")
if mode == "frames":
    points = points[1:]
if mode == "nan":
    points[2, 3] = np.nan
if mode == "header":
    fake_call.write_bomb(args.out, "points")
else:
    np.savez(args.out, points=points)
