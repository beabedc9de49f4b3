"""A stand-in for the tracker: points on a grid that move to the right by 1 px a frame, at the depth of frame 0."""

from pathlib import Path

import fake_call
import numpy as np
import torch

fake_call.start()


class SpaTrackerPredictor:
    """The tracker."""

    def __init__(self, checkpoint, interp_shape, seq_length):
        assert Path(checkpoint).is_file(), "run in the tree"
        assert (interp_shape, seq_length) == ((384, 576), 12)

    def to(self, device):
        assert device == "cuda"
        return self

    def __call__(self, video, video_depth, grid_size, wind_length):
        assert video.shape == (1, 49, 3, 480, 720)
        assert video.dtype == video_depth.dtype == np.float32
        assert 1 < video.max() <= 255
        assert video_depth.shape == (49, 1, 480, 720)
        assert (grid_size, wind_length) == (70, 12)
        v, u = np.meshgrid(np.linspace(20, 460, grid_size), np.linspace(20, 660, grid_size), indexing="ij")
        first = np.stack([u, v, video_depth[0, 0][v.astype(int), u.astype(int)]], axis=-1).reshape(-1, 3)
        tracks = first + np.arange(49)[:, None, None] * np.array([1.0, 0, 0])
        visible = np.ones(tracks.shape[:2], dtype=bool)
        return torch.from_numpy(tracks[None]), torch.from_numpy(visible[None]), torch.from_numpy(visible[:1] * 0)
