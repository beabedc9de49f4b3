"""Render a synthetic scene and write it as files in the layout of TACO."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.surfaces import BACKGROUND
from hoibench.datasets.synthetic.cameras import build_camera, zoom_to
from hoibench.datasets.synthetic.hand_files import write_hand
from hoibench.datasets.synthetic.materials import build_textured_surfaces
from hoibench.datasets.synthetic.render import RenderScene, RenderView, TexturedSurface
from hoibench.datasets.synthetic.scene import Mesh, Scene
from hoibench.datasets.synthetic.world_frames import WorldFrame, world_frame
from hoibench.datasets.taco import download
from hoibench.datasets.taco.hand.proxy_hand import HAND_MODEL
from hoibench.store import write_bytes, write_json
from hoibench.video import encode

CRF = 12
_CENTIMETRES = 100.0  # per metre; models of TACO are in centimetres


def write_sequence(root: Path, key: str, scene: Scene, serials: Sequence[str], seed: int) -> None:
    """Write a scene as a sequence: videos, calibration, poses and object models, in the world frame of the key's date.

    Args:
        root: folder of the data set in the layout of TACO, which may have other sequences.
        key: the sequence's key, YYYYMMDD_NNN.
        scene: the scene in the rig frame.
        serials: serials of the cameras to render.
        seed: seed of the colours of room and skin.

    Raises:
        OSError: a file cannot be written.
        ValueError: a camera is unknown.
    """
    surfaces = build_textured_surfaces(scene, seed)
    cameras = zoomed_cameras(surfaces, serials)
    write_annotations(root, key, scene, cameras, world_frame(key.partition("_")[0]), cropped=True)
    folder = download.TacoSequence(root, scene.triplet, key).folder(download.RGB)
    for serial, video in render_videos(surfaces, cameras).items():
        encode(folder / f"{serial}.mp4", video, scene.fps, crf=CRF)


def write_annotations(
    root: Path, key: str, scene: Scene, cameras: Mapping[str, Camera], world: WorldFrame, *, cropped: bool = False
) -> None:
    """Write a scene as a sequence without videos: calibration, hand poses, object poses and object models.

    Args:
        root: folder of the data set in the layout of TACO, which may have other sequences.
        key: the sequence's key, YYYYMMDD_NNN.
        scene: the scene in the rig frame.
        cameras: serial -> camera in the rig frame.
        world: the world frame of the written files.
        cropped: True if the cameras have the intrinsics of a crop; the key ``cropped`` of calibration.json.

    Raises:
        OSError: a file cannot be written.
    """
    sequence = download.TacoSequence(root, scene.triplet, key)
    write_bytes(root / download.HAND_MODEL_FILE, f"{HAND_MODEL}\n".encode())
    write_json(
        sequence.calibration,
        {serial: _calibration(world.transform_camera(c), cropped) for serial, c in cameras.items()},
    )
    for side, hand in scene.hands.items():
        theta = np.concatenate([world.transform_axis_angles(hand.theta[:, :3]), hand.theta[:, 3:]], axis=1)
        write_hand(sequence.folder(download.HANDS), side, theta, world.transform_points(hand.trans), hand.betas)
    for role, item in (("tool", scene.tool), ("target", scene.target)):
        poses = world.transform_poses(item.poses).astype(np.float32)
        write_bytes(sequence.folder(download.POSES) / f"{role}_{item.id}.npy", _npy(poses))
        write_bytes(root / download.MODELS[0] / f"{item.id}_cm.obj", _obj(item.mesh))


def zoomed_cameras(surfaces: Sequence[TexturedSurface], serials: Sequence[str]) -> dict[str, Camera]:
    """Return cameras in the rig frame, serial -> camera, each zoomed to hands and objects over all frames."""
    moving = [textured.surface for textured in surfaces if textured.surface.part != BACKGROUND]
    points = np.concatenate([surface.vertices.reshape(-1, 3) for surface in moving])
    return {serial: zoom_to(build_camera(serial), points) for serial in serials}


def render_videos(surfaces: Sequence[TexturedSurface], cameras: Mapping[str, Camera]) -> dict[str, Array]:
    """Render videos (N, H, W, 3) uint8 of a scene's surfaces by cameras in the rig frame: serial -> video."""
    render_scene = RenderScene(surfaces)
    frames = len(surfaces[0].surface.vertices)
    views = {serial: RenderView(render_scene, camera) for serial, camera in cameras.items()}
    videos: dict[str, list[Array]] = {serial: [] for serial in cameras}
    for frame in range(frames):
        mesh = render_scene.mesh(frame)
        for serial, view in views.items():
            videos[serial].append(view.render(mesh))
    return {serial: np.stack(images) for serial, images in videos.items()}


def _calibration(camera: Camera, cropped: bool) -> dict[str, Any]:
    height, width = camera.size
    return {
        "K": camera.K.ravel().tolist(),
        "R": camera.R.ravel().tolist(),
        "T": camera.t.tolist(),
        "imgSize": [width, height],
        "cropped": cropped,
        "distCoeff": [0.0] * 5,
        "rectifyAlpha": 0.0,
    }


def _npy(array: Array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _obj(mesh: Mesh) -> bytes:
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in (mesh.vertices * _CENTIMETRES).tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (mesh.faces + 1).tolist()]
    return ("\n".join(lines) + "\n").encode()
