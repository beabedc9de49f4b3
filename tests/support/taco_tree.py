"""A test download in TACO's layout with the oddities of the real one, written from synthetic scenes; ``taco_faults`` adds faults to copies.

Oddities that are not faults: zips are per camera, so most sequences have four of the twelve cameras that their calibration lists; one sequence has no
marker-removed videos; one is too short for a clip; one egocentric video is a frame short; models are in ``object_models_released``, the name inside
the zip; one sequence's hands are pickled as clones, the others as views of one storage; distortion coefficients are nonsense.
"""

import errno
import itertools
import json
import os
import pickle
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from taco_pictures import paint, write_video

from hoibench.clip import Camera
from hoibench.datasets.ray_casting import pixel_rays
from hoibench.datasets.surfaces import BACKGROUND, build_frame_mesh
from hoibench.datasets.synthetic.cameras import SOURCE_CAMERA, TRIO, build_camera
from hoibench.datasets.synthetic.materials import build_textured_surfaces
from hoibench.datasets.synthetic.scene import Scene, build_scene
from hoibench.datasets.synthetic.world_frames import WorldFrame, world_frame
from hoibench.datasets.synthetic.writer import write_annotations
from hoibench.datasets.taco import download
from hoibench.datasets.taco.download import TacoDownload, TacoSequence, triplet_folder
from hoibench.datasets.taco.hand.hand_pose import SIDES, read_hand
from hoibench.datasets.taco.rig import rig
from hoibench.geometry import project, resize_intrinsics, to_camera

FPS = 30.0
NATIVE = (3000, 4096)
FOUR = (*TRIO, SOURCE_CAMERA)
TWELVE = tuple(rig().cameras)
EGO_SIZE = (54, 96)
SIZES = (94, 128), (94, 128)
"""(H, W) of the videos and of the calibrations of the tree that tests share."""


@dataclass(frozen=True)
class Shoot:
    """One sequence to write: ``triplet`` is (tool, action, target), ``world`` the date whose world frame it is in."""

    key: str
    triplet: tuple[str, str, str]
    frames: int
    serials: tuple[str, ...] = FOUR
    world: str = "20230927"
    marker_removed: tuple[str, ...] = FOUR
    ego_missing: int = 0
    clones: bool = False
    codec: str = "h264"
    split: str = "train"


POUR = Shoot("20230927_017", ("bowl", "pour in some", "plate"), 209, serials=TWELVE)
HIT = Shoot(
    "20231102_070", ("hammer", "hit", "toy"), 181, serials=(*FOUR, "22139911"),
    world="20231002", marker_removed=(), split="test_3",
)  # fmt: skip
MEASURE = Shoot("20231104_079", ("ruler", "measure", "plate"), 181, world="20231002", ego_missing=1, clones=True)
SHORT = Shoot("20230927_012", ("spoon", "stir", "pan"), 90, codec="mpeg4", split="test_4")
PLAN = (POUR, HIT, MEASURE, SHORT)
"""Keys and triplets are TACO's own, so that shipped splits contain them; POUR and HIT have the cameras of these splits."""


@dataclass(frozen=True)
class Written:
    """A sequence as it was written: its shoot and the scene in the rig frame."""

    shoot: Shoot
    scene: Scene

    @property
    def world(self) -> WorldFrame:
        return world_frame(self.shoot.world)


@dataclass(frozen=True)
class TacoTree:
    """A tree at ``root``, videos of ``size`` (H, W), calibrations for ``image_size``, the official lists in the folder ``lists``."""

    root: Path
    lists: Path
    size: tuple[int, int]
    image_size: tuple[int, int]
    written: dict[str, Written] = field(default_factory=dict)

    @property
    def download(self) -> TacoDownload:
        return TacoDownload(self.root)

    def sequence(self, key: str) -> TacoSequence:
        return TacoSequence(self.root, self.written[key].shoot.triplet, key)

    def camera(self, key: str, serial: str) -> Camera:
        """The camera in the world of the sequence, for its video."""
        return self.written[key].world.transform_camera(filming_camera(serial, self.size, self.image_size))

    @property
    def written_at(self) -> int:
        """The modification time in nanoseconds, since prepared clips depend on file times."""
        return self.root.stat().st_mtime_ns

    def copy(self, root: Path) -> "TacoTree":
        """A copy to break, its files hard links: a fault must replace a file, never write into it."""
        shutil.copytree(self.root, root, copy_function=_link)
        return replace(self, root=root)


def _link(source: str, target: str) -> None:
    """A hard link, or a copy where the cache is on another disk."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copy2(source, target)


def write_tree(root, lists, sequences=PLAN, size=SIZES[0], image_size=None, serials=None) -> TacoTree:
    """Write the tree.

    Args:
        root: where to.
        lists: the folder for the official lists.
        sequences: what to write.
        size: (H, W) of the videos.
        image_size: (H, W) of imgSize and K, ``size`` unless given.
        serials: cameras that film, in place of each shoot's own.
    """
    tree = TacoTree(root, lists, size, image_size or size)
    for shoot in sequences:
        chosen = replace(shoot, serials=serials or shoot.serials)
        scene = build_scene(shoot.triplet, 0, 0, seed=1, frames=shoot.frames, fps=FPS)
        tree.written[shoot.key] = Written(chosen, scene)
        cameras = {serial: released_camera(serial, tree.image_size) for serial in TWELVE}
        write_annotations(root, shoot.key, scene, cameras, world_frame(shoot.world))
        _distort(tree.sequence(shoot.key).calibration)
        if shoot.clones:
            _clone_hands(tree.sequence(shoot.key).folder(download.HANDS))
        _film(tree, chosen, scene)
    models = root / download.MODELS[0]
    models.rename(root / download.MODELS[1])
    _write_lists(lists, sequences)
    return tree


def released_camera(serial, size) -> Camera:
    """The rig's camera as a copy of ``size`` calibrates it: each axis of K by its own plain ratio to 4096x3000, as the real copies have it."""
    native = build_camera(serial, NATIVE)
    ratio = np.array([size[1] / NATIVE[1], size[0] / NATIVE[0], 1.0])
    return Camera(native.K * ratio[:, None], native.R, native.t, size)


def filming_camera(serial, size, image_size) -> Camera:
    """The camera whose pictures are of ``size``, resized from those of ``image_size`` that the calibration is for: pixel areas stay aligned."""
    released = released_camera(serial, image_size)
    return Camera(resize_intrinsics(released.K, image_size, size), released.R, released.t, size)


def _film(tree: TacoTree, shoot: Shoot, scene: Scene) -> None:
    sequence = tree.sequence(shoot.key)
    cameras = {serial: filming_camera(serial, tree.size, tree.image_size) for serial in shoot.serials}
    for serial, ids in _part_ids(scene, cameras).items():
        video = np.stack([paint(part, frame) for frame, part in enumerate(ids)])
        write_video(sequence.folder(download.RGB) / f"{serial}.mp4", video, FPS, shoot.codec)
        if serial in shoot.marker_removed:
            video = np.stack([paint(part, frame, removed=True) for frame, part in enumerate(ids)])
            write_video(sequence.folder(download.MARKER_REMOVED) / f"{serial}.mp4", video, FPS, shoot.codec)
    nothing = np.full(EGO_SIZE, BACKGROUND)
    pictures = np.stack([paint(nothing, frame) for frame in range(shoot.frames - shoot.ego_missing)])
    write_video(sequence.folder("Egocentric_RGB_Videos") / "color.mp4", pictures, FPS, "mpeg4")
    _write_ego_cameras(
        sequence.folder("Egocentric_Camera_Parameters"), ego_cameras(shoot.frames), world_frame(shoot.world)
    )


def _part_ids(scene: Scene, cameras: dict[str, Camera]) -> dict[str, np.ndarray]:
    """Serial -> (N, H, W) uint8 part at each pixel's centre."""
    surfaces = [textured.surface for textured in build_textured_surfaces(scene, 0)[:4]]
    corners = np.concatenate([_box(surface.vertices) for surface in surfaces], axis=1)
    rays = {serial: pixel_rays(camera) for serial, camera in cameras.items()}
    ids = {serial: np.full((scene.frames, *camera.size), BACKGROUND, np.uint8) for serial, camera in cameras.items()}
    for frame in range(scene.frames):
        mesh = build_frame_mesh(surfaces, frame)
        for serial, (origin, directions) in rays.items():
            window = _outline(corners[frame], cameras[serial])
            hits = mesh.caster.cast(origin, directions.reshape(*cameras[serial].size, 3)[window].reshape(-1, 3))
            ids[serial][frame][window].flat[hits.is_hit] = mesh.part[hits.face[hits.is_hit]]
    return ids


def _box(vertices) -> np.ndarray:
    """The corners (N, 8, 3) of the box around vertices (N, P, 3) in each frame."""
    low, high = vertices.min(axis=1), vertices.max(axis=1)
    at_high = np.array(list(itertools.product((False, True), repeat=3)))
    return np.where(at_high, high[:, None], low[:, None])


def _outline(corners, camera: Camera) -> tuple[slice, slice]:
    """The rows and columns in which anything can be seen of what lies between corners (P, 3), all in front of the camera."""
    pixels = project(to_camera(corners, camera.R, camera.t), camera.K)
    low, high = np.floor(pixels.min(axis=0)).astype(int), np.ceil(pixels.max(axis=0)).astype(int)
    return slice(max(low[1], 0), max(high[1] + 1, 0)), slice(max(low[0], 0), max(high[0] + 1, 0))


def ego_cameras(frames) -> list[Camera]:
    """The helmet's camera in each frame, in the rig frame: above the actor, swaying, looking at the table."""
    height, width = EGO_SIZE
    K = np.array([[0.7 * width, 0.0, (width - 1) / 2], [0.0, 0.7 * width, (height - 1) / 2], [0.0, 0.0, 1.0]])
    cameras = []
    for time in np.arange(frames) / FPS:
        position = np.array([0.07 + 0.03 * np.sin(time), -0.55, 1.15])
        forward = np.asarray(rig().look_at) - position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(forward, right), forward])
        cameras.append(Camera(K, R, -R @ position, EGO_SIZE))
    return cameras


def _write_ego_cameras(folder: Path, cameras: list[Camera], world: WorldFrame) -> None:
    folder.mkdir(parents=True)
    extrinsics = np.tile(np.eye(4), (len(cameras), 1, 1))
    for pose, camera in zip(extrinsics, map(world.transform_camera, cameras), strict=True):
        pose[:3, :3], pose[:3, 3] = camera.R, camera.t
    np.savetxt(folder / "egocentric_intrinsic.txt", cameras[0].K)
    np.save(folder / "egocentric_frame_extrinsic.npy", extrinsics)


def _distort(path: Path) -> None:
    """Add distortion coefficients like the real ones, which must not be applied."""
    table = json.loads(path.read_text())
    for entry in table.values():
        entry["distCoeff"] = [0.3, -8.7, 0.002, -0.004, 147.0]
    path.write_text(json.dumps(table))


def _clone_hands(folder: Path) -> None:
    for side in SIDES:
        hand = read_hand(folder, side)
        theta, trans = (torch.from_numpy(values.astype(np.float32)) for values in (hand.theta, hand.trans))
        frames = {
            f"{i + 1:05d}": {"hand_pose": t.clone(), "hand_trans": x.clone()}
            for i, (t, x) in enumerate(zip(theta, trans, strict=True))
        }
        (folder / f"{side}_hand.pkl").write_bytes(pickle.dumps(frames, protocol=4))


def _write_lists(folder: Path, sequences) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lists = {
        "v1_overall_data_sequences.txt": [_line(shoot) for shoot in sequences],
        "v1_egocentric_data_available_sequences.txt": [_line(shoot) for shoot in sequences],
        "v1_marker_removed_data_available_sequences.txt": [_line(shoot) for shoot in sequences if shoot.marker_removed],
        "v1_overall_data_train_test_split.txt": [f"{shoot.key},{shoot.split}" for shoot in sequences],
    }
    for name, lines in lists.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))


def _line(shoot: Shoot) -> str:
    return f"{triplet_folder(shoot.triplet)} {shoot.key}"
