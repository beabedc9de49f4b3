"""The motion is predictable: linear regression on the prompt and frame 0 explains it."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hoibench.datasets.synthetic.catalogue import catalogue
from hoibench.datasets.synthetic.scene import build_scene

A_TRIPLET, TRAIN, HELD_OUT = 2, 16, 4
FRAMES, FPS = 13, 4.0


def _seen(scene, triplet, triplets):
    """Return the features of the prompt and frame 0: poses, sizes and triplet."""
    tool, target = scene.tool.poses[0], scene.target.poses[0]
    sizes = [np.ptp(o.mesh.vertices, axis=0) for o in (scene.tool, scene.target)]
    kind = [float(triplet == t) for t in triplets]
    return np.concatenate([tool[:3, 3] - target[:3, 3], tool[:3, :3].ravel(), target[:2, 0], *sizes, kind])


@pytest.fixture(scope="module")
def scenes():
    """Return action -> (features (S, F), displacement (S, 39)), with train scenes first."""
    rng = np.random.default_rng(0)
    out = {}
    for action in sorted({a for _, a, _ in catalogue().triplets}):
        of_action = [t for t in catalogue().triplets if t[1] == action]
        triplets = [of_action[k] for k in np.linspace(0, len(of_action) - 1, A_TRIPLET).astype(int)]
        x, y = [], []
        for n in range(TRAIN + HELD_OUT):
            triplet = triplets[n % len(triplets)]
            tool, target, seed = (int(rng.integers(n)) for n in (2, 2, 10**6))
            scene = build_scene(triplet, tool, target, seed, frames=FRAMES, fps=FPS)
            x.append(_seen(scene, triplet, triplets))
            y.append((scene.tool.poses[:, :3, 3] - scene.tool.poses[0, :3, 3]).ravel())
        out[action] = np.array(x), np.array(y)
    return out


def _residual(x, y):
    """Return held-out residuals of ridge regression and of the train scenes' mean, for one action."""
    model = make_pipeline(StandardScaler(), Ridge(alpha=0.5)).fit(x[:TRAIN], y[:TRAIN])
    return y[TRAIN:] - model.predict(x[TRAIN:]), y[TRAIN:] - y[:TRAIN].mean(axis=0)


def test_frame_0_and_the_prompt_explain_the_motion(scenes):
    residual, about_mean = (np.concatenate(r) for r in zip(*(_residual(x, y) for x, y in scenes.values()), strict=True))
    # Stricter than explained variance: the action's mean motion is subtracted first.
    assert 1.0 - (residual**2).sum() / (about_mean**2).sum() > 0.95


def test_the_motion_is_not_constant_per_action(scenes):
    for x, y in scenes.values():
        assert len(np.unique(np.round(y, 6), axis=0)) == len(x)
        assert y.std(axis=0).max() > 0.0015


def test_tools_travel_far_enough(scenes):
    steps = np.concatenate([np.diff(y.reshape(-1, FRAMES, 3), axis=1) for _, y in scenes.values()])
    assert np.median(np.linalg.norm(steps, axis=2).sum(axis=1)) >= 0.12
