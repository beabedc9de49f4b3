"""Requests for methods with upstream code, and these methods with a fake tree."""

import numpy as np

from hoibench.clip import Camera, Request, SourceVideo, View
from hoibench.methods.entrants import select_entrants
from hoibench.methods.method import Runtime
from hoibench.methods.registry import load_method


def make_request(frames=6, size=(32, 48), anchors=None, moving=False, seed=1, noise=0):
    """Return a request with two views, whose videos are moving noise, drawn with the seed ``noise``."""
    height, width = size
    K = np.array([[60.0, 0, (width - 1) / 2], [0, 60, (height - 1) / 2], [0, 0, 1]])
    R, t = np.eye(3), np.array([0, 0, 1.0])
    if moving:
        R, t = np.tile(R, (frames, 1, 1)), np.linspace(t, t + 0.1, frames)
    views = tuple(View(name, None, Camera(K, R, t, size)) for name in "ab")
    video = np.random.default_rng(noise).integers(0, 256, (frames, height // 8, width // 8, 3), np.uint8)
    sources = tuple(SourceVideo(view, video.repeat(8, 1).repeat(8, 2)) for view in views)
    return Request("clip_1", None, views, frames, 8.0, size, seed, sources, anchors)


def load(tree, folder, preset=None, **settings):
    """Return the installed method of a fake tree, which exchanges files in ``folder``."""
    given = {**tree.settings, **settings}
    flags = [f"{tree.method}.{key}={value}" for key, value in given.items()]
    (entrant,) = select_entrants([tree.method], settings=flags, preset=preset)
    return load_method(entrant, Runtime(folder=folder))
