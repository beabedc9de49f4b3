"""Recordings of synthetic scenes, written without videos, and single faults in what is read from their files."""

from dataclasses import replace

import numpy as np

from hoibench.datasets.synthetic.cameras import TRIO, build_camera
from hoibench.datasets.synthetic.scene import build_scene
from hoibench.datasets.synthetic.world_frames import world_frame
from hoibench.datasets.synthetic.writer import write_annotations
from hoibench.datasets.taco.download import TacoDownload, TacoSequence
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.hand.hand_pose import HandPose
from hoibench.datasets.taco.recording import Recording


def write_recording(root, key, triplet, instances=(0, 0), seed=0, frames=91) -> Recording:
    """Write a scene at 30 frames per second into a download, and return its recording."""
    scene = build_scene(triplet, *instances, seed=seed, frames=frames, fps=30.0)
    write_annotations(root, key, scene, {serial: build_camera(serial) for serial in TRIO}, world_frame(key[:8]))
    return Recording(TacoDownload(root), TacoSequence(root, triplet, key), ProxyHand())


def altered(recording, **values) -> Recording:
    """A copy of a recording in which ``hands``, ``object_poses`` or ``meshes`` have other values than their files."""
    copy = replace(recording)
    parts = {name: getattr(recording, name) for name in ("hands", "object_poses", "meshes")}
    copy.__dict__.update(parts | values)  # the values of cached properties
    return copy


def noisy(recording, rng) -> Recording:
    """A recording with noise: hands drift by 6 mm and jitter by 1.5 mm and 1 degree in each joint, objects jitter by 0.5 mm."""
    seconds = np.arange(recording.frames)[:, None] / 30.0

    def jitter(hand):
        waves = [np.sin(2.0 * np.pi * (rng.uniform(0.2, 0.8) * seconds + rng.uniform())) for _ in range(2)]
        drift = sum(wave * rng.normal(0.0, 0.004, 3) for wave in waves)
        theta = hand.theta + rng.normal(0.0, 0.02, hand.theta.shape)
        return replace(hand, theta=theta, trans=hand.trans + drift + rng.normal(0.0, 0.0015, hand.trans.shape))

    def shake(poses):
        shaken = poses.copy()
        shaken[:, :3, 3] += rng.normal(0.0, 0.0005, (len(poses), 3))
        return shaken

    return altered(
        recording, hands=tuple(map(jitter, recording.hands)), object_poses=tuple(map(shake, recording.object_poses))
    )


def exchange_hands(recording) -> Recording:
    """The files of left and right hand are exchanged, those of poses and those of shapes."""
    left, right = recording.hands
    return altered(recording, hands=(replace(right, side="left"), replace(left, side="right")))


def delay(recording, side, frames=3) -> Recording:
    """The hand of a side is late: row i has what belongs to row i - 3."""

    def late(hand) -> HandPose:
        rows = np.maximum(np.arange(len(hand.theta)) - frames, 0)
        return replace(hand, theta=hand.theta[rows], trans=hand.trans[rows])

    return altered(recording, hands=tuple(late(hand) if hand.side == side else hand for hand in recording.hands))


def scale_mesh(recording, index, factor) -> Recording:
    vertices, faces = recording.meshes[index]
    return other_mesh(recording, index, (factor * vertices, faces))


def other_mesh(recording, index, mesh) -> Recording:
    """The mesh of the tool (index 0) or the target (1) is another one."""
    meshes = list(recording.meshes)
    meshes[index] = mesh
    return altered(recording, meshes=tuple(meshes))


def exchange_poses(recording) -> Recording:
    """The contents of the pose files of tool and target are exchanged."""
    return altered(recording, object_poses=recording.object_poses[::-1])


def invert_poses(recording) -> Recording:
    """The poses of both objects are from world to object."""
    return altered(recording, object_poses=tuple(map(np.linalg.inv, recording.object_poses)))


def length(recording, index) -> float:
    """The longest side in metres of the tool (index 0) or the target (1)."""
    return float(np.ptp(recording.meshes[index][0], axis=0).max())
