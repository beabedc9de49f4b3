"""A stand-in for DaS's testing/inference.py: its result is the tracking video."""

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))
import cv2
import fake_call

fake_call.start()
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--prompt", required=True)
parser.add_argument("--image_or_video_path")
parser.add_argument("--model_path")
parser.add_argument("--output_path", type=Path)
parser.add_argument("--num_inference_steps", type=int)
parser.add_argument("--generate_type", choices=["t2v", "i2v"])
parser.add_argument("--seed", type=int)
parser.add_argument("--tracking_path", type=Path)
args = parser.parse_args()
tracking = fake_call.read_video(args.tracking_path)
assert tracking.shape == (49, 480, 720, 3)
assert cv2.imread(args.image_or_video_path).shape == (480, 720, 3)
fake_call.write_video(args.output_path, tracking, 24)
