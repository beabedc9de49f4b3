"""A toy clip of the interaction: two hands, a tool and a target with true shapes and poses, before three cameras."""

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from hoibench.clip import PARTS, Camera, Clip, Prediction, Tracks, View
from hoibench.geometry import project, to_camera
from hoibench.rigid_object import OBJECT_PARTS, RigidObject

FRAMES = 9
LIFTED = 5
"""First frame in which the right hand has let go of the tool."""
TOUCHING, AWAY = 0.002, 0.04
"""Metres between a hand and its object while it holds it, and after."""
TOOL, TARGET = (PARTS.index(name) for name in ("tool", "target"))
LEFT, RIGHT = (PARTS.index(name) for name in ("left hand", "right hand"))
SIZES = {TOOL: (0.16, 0.04, 0.04), TARGET: (0.12, 0.12, 0.05)}


def box(part, R, t):
    mesh = trimesh.creation.box(SIZES[part])
    return RigidObject(part, np.array(mesh.vertices), np.array(mesh.faces), R, t)


def on_surface(rng, size, count):
    """Random points on the surface of a box."""
    points = rng.uniform(-0.5, 0.5, (count, 3))
    axis = rng.integers(3, size=count)
    points[np.arange(count), axis] = np.sign(points[np.arange(count), axis]) / 2
    return points * size


def build_cameras(frames, moving):
    K = np.array([[300.0, 0.0, 95.5], [0.0, 305.0, 63.5], [0.0, 0.0, 1.0]])
    cameras = []
    for turn in (-40.0, 0.0, 40.0):
        angles = turn + (3.0 * np.sin(np.arange(frames)) if moving else np.zeros(1))
        R = Rotation.from_euler(
            "yx", np.stack([angles, np.full(len(angles), 125.0)], axis=-1), degrees=True
        ).as_matrix()
        t = np.tile([0.0, 0.0, 1.2], (len(R), 1))
        cameras.append(Camera(K, R if moving else R[0], t if moving else t[0], (128, 192)))
    return tuple(cameras)


def build(seed=0, frames=FRAMES, object_points=40, hand_points=24, moving=False, visible=0.8):
    """The right hand holds the tool from above, and lets go in frame ``LIFTED``; the left hand holds the target.

    A hand is a flat patch, parallel to the upper side of the object's box.  Points are visible at random, those of objects in frame 0, too.
    """
    rng = np.random.default_rng(seed)
    n = np.arange(frames)
    swing = Rotation.from_euler("zy", np.stack([6.0 * n, 4.0 * n], axis=-1), degrees=True).as_matrix()
    poses = {
        TOOL: (swing, np.stack([0.02 * n, 0.01 * n, 0.15 + 0.0 * n], axis=-1)),
        TARGET: (np.tile(np.eye(3), (frames, 1, 1)), np.stack([0.002 * n, 0.0 * n, 0.0 * n], axis=-1)),
    }
    gap = {RIGHT: np.where(n < LIFTED, TOUCHING, AWAY), LEFT: np.full(frames, TOUCHING)}
    world, part = [], []
    for hand, held in ((LEFT, TARGET), (RIGHT, TOOL)):
        size = np.array(SIZES[held])
        patch = np.column_stack(
            [rng.uniform(-0.4, 0.4, (hand_points, 2)) * size[:2], np.full(hand_points, size[2] / 2)]
        )
        local = patch + gap[hand][:, None, None] * np.array([0.0, 0.0, 1.0])
        R, t = poses[held]
        world.append(local @ R.mT + t[:, None])
        part += [hand] * hand_points
    for held, (R, t) in poses.items():
        world.append(on_surface(rng, SIZES[held], object_points) @ R.mT + t[:, None])
        part += [held] * object_points
    world = np.concatenate(world, axis=1).astype(np.float32)
    cameras = build_cameras(frames, moving)
    return Clip(
        id="toy grasp", triplet=None, prompt=None, source_views=(), fps=8.0, frames=frames, size=(128, 192),
        views=tuple(View(name, camera=c) for name, c in zip(("left", "center", "right"), cameras, strict=True)),
        tracks=Tracks(world, rng.random((len(cameras), *world.shape[:2])) < visible, np.array(part, dtype=np.uint8)),
        load_objects=lambda: tuple(box(held, *poses[held]) for held in OBJECT_PARTS),
    )  # fmt: skip


def predict(clip, world=None, **changes):
    """The prediction of (N, K, 3) world points, the true ones by default, all of them valid."""
    world = (clip.tracks.world if world is None else world).astype(np.float64)
    tracks = np.stack([to_camera(world, c.R, c.t) for c in clip.cameras])
    anchors = np.stack([project(tracks[v, 0], c.K) for v, c in enumerate(clip.cameras)])
    return Prediction(**{"tracks": tracks, "anchors": anchors, **changes})


def move_hand(clip, hand, held, metres):
    """World points of the clip with a hand moved away from the object that it holds, along the normal of the object's upper side."""
    world = clip.tracks.world.astype(np.float64)
    (rigid,) = (o for o in clip.objects if o.part == held)
    own = clip.tracks.part == hand
    world[:, own] += metres * rigid.R[:, None, :, 2]
    return world
