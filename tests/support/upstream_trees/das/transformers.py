"""A stand-in for transformers: everything is 2 m away."""

import numpy as np
import torch


def pipeline(task, model, device):
    assert (task, model, device) == ("depth-estimation", "Intel/zoedepth-nyu-kitti", 0)
    return lambda image: {"predicted_depth": torch.from_numpy(np.full((1, image.height // 2, image.width // 2), 2.0))}
