"""Smooth tracks of two hands, a tool and a target at the paper's size: ellipsoids before a camera that shift and turn."""

import numpy as np


def moving_bodies(seed=0, frames=49, points=1600, size=(480, 704)):
    """Points on the camera's side of four ellipsoids about 0.6 to 1.1 m away: pixels (N, K, 2) and depth (N, K), float32.

    And visible (N, K), False for points that an ellipsoid hides.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    focal, time = 0.9 * width, np.linspace(0, 1, frames)
    # Centre and half axes, as shares of the image.
    bodies = [
        ((0.35, 0.5), (0.1, 0.15)),
        ((0.65, 0.5), (0.1, 0.15)),
        ((0.5, 0.38), (0.22, 0.07)),
        ((0.5, 0.65), (0.16, 0.14)),
    ]
    camera, ellipsoids = [], []
    for part, ((x, y), (a, b)) in zip(np.array_split(np.arange(points), 4), bodies, strict=True):
        away = rng.uniform(0.8, 1.1)
        metres = away / focal * np.array([width, height])
        shell = rng.normal(size=(len(part), 3))
        shell /= np.linalg.norm(shell, axis=1, keepdims=True)
        shell[:, 2] = -np.abs(shell[:, 2])
        axes = np.array([*(metres * (a, b)), 0.5 * (a + b) * metres[0]])
        shell *= axes
        reach, phase, pace = rng.uniform(0.02, 0.08, 3), rng.uniform(0, 2 * np.pi, 3), rng.uniform(0.5, 1.5, 3)
        shift = reach * (np.sin(2 * np.pi * pace * time[:, None] + phase) - np.sin(phase))
        angle = 0.6 * np.sin(2 * np.pi * rng.uniform(0.5, 1) * time)
        turn = np.zeros((frames, 3, 3))
        turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
        turn[:, 1, 0], turn[:, 0, 1], turn[:, 2, 2] = np.sin(angle), -np.sin(angle), 1
        centre = [*(metres * (x - 0.5, y - 0.5)), away]
        camera.append(np.einsum("nij,kj->nki", turn, shell) + centre + shift[:, None])
        ellipsoids.append((centre + shift, turn / axes))
    camera = np.concatenate(camera, axis=1)
    visible = ~np.any([_hides(camera, *ellipsoid) for ellipsoid in ellipsoids], axis=0)
    pixels = camera[..., :2] / camera[..., 2:] * focal + [width / 2 - 0.5, height / 2 - 0.5]
    return pixels.astype(np.float32), camera[..., 2].astype(np.float32), visible


def _hides(points, centre, to_sphere):
    """True (N, K) where an ellipsoid is between the origin and a point; a point on its near side is not hidden by it.

    ``centre`` (N, 3) is the ellipsoid's; the columns of ``to_sphere`` (N, 3, 3) are its axes over their half lengths.
    """
    ray, start = points @ to_sphere, -centre[:, None] @ to_sphere  # on the unit sphere
    a, b, c = (ray**2).sum(-1), (ray * start).sum(-1), (start**2).sum(-1) - 1
    inside = b**2 - a * c
    return (inside > 0) & (-b - np.sqrt(inside.clip(0)) < (1 - 1e-6) * a)
