"""A stand-in for DaS's demo.py: the source video, darker by the seed."""

import argparse
from pathlib import Path

import av
import fake_call
import numpy as np
import torch

fake_call.start()
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--input_path", type=Path)
parser.add_argument("--prompt", required=True)
parser.add_argument("--output_dir", type=Path)
parser.add_argument("--gpu", type=int)
parser.add_argument("--checkpoint_path")
parser.add_argument("--camera_motion")
parser.add_argument("--override_extrinsics", choices=["override", "append"])
parser.add_argument("--tracking_method", choices=["spatracker", "moge", "cotracker"])
args = parser.parse_args()
assert Path("checkpoints/spaT_final.pth").is_file(), "run in the tree"
frames = fake_call.read_video(args.input_path)
with av.open(str(args.input_path)) as container:
    fps = float(container.streams.video[0].average_rate)
# load_media takes the first 49 frames of videos of more than 6 s, and spreads the frames of others
assert len(frames) / fps > 6.0
assert frames[:49].shape == (49, 480, 720, 3)
args.output_dir.mkdir(parents=True, exist_ok=True)
made = (frames - np.minimum(frames, 10 * torch.seeds[0])).astype(np.uint8)
fake_call.write_video(args.output_dir / "result.mp4", made, fps)
