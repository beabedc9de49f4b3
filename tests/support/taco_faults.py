"""Single faults for a copy of the test download; each function adds one fault and returns the path that errors must name.

Files of a copy are hard links, so a fault puts a new file in the place of an old one.
"""

import io
import json
import pickle
import shutil
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from taco_pictures import write_video

from hoibench.datasets.taco import download
from hoibench.store import write_bytes
from hoibench.video import decode

FPS = 30.0


def _cut(path, length) -> Path:
    """Cut a file to ``length`` bytes; if that is negative, by so many."""
    write_bytes(path, path.read_bytes()[:length])
    return path


def _exchange(one, two) -> None:
    """Exchange the contents of two files."""
    data = one.read_bytes()
    write_bytes(one, two.read_bytes())
    write_bytes(two, data)


# Missing files.


def drop_camera(tree, key, serial, modality=download.RGB) -> Path:
    """The zip of one camera was not downloaded, or lacks the sequence."""
    path = tree.sequence(key).video(serial, modality)
    path.unlink()
    return path


def drop_file(tree, key, modality, name) -> Path:
    """One file of a sequence is missing, e.g. ``left_hand.pkl`` of ``Hand_Poses``."""
    path = tree.sequence(key).folder(modality) / name
    path.unlink()
    return path


def drop_modality(tree, modality) -> Path:
    """A zip was neither unpacked nor downloaded."""
    shutil.rmtree(tree.root / modality)
    return tree.root / modality


def zip_modality(tree, modality) -> Path:
    """A zip was not unpacked: it is next to where its folder should be."""
    shutil.rmtree(tree.root / modality)
    path = tree.root / f"{modality}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{modality}/readme.txt", "packed")
    return path


def zip_camera(tree, serial, modality=download.RGB) -> Path:
    """A camera's zip was not unpacked: it is next to the other cameras' videos."""
    for path in (tree.root / modality).glob(f"*/*/{serial}.mp4"):
        path.unlink()
    path = tree.root / modality / f"{serial}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "packed")
    return path


def nest(tree, modality) -> Path:
    """A zip was unpacked into a folder of its own name: ROOT/Hand_Poses/Hand_Poses/..."""
    outer, aside = tree.root / modality, tree.root / "aside"
    outer.rename(aside)
    outer.mkdir()
    aside.rename(outer / modality)
    return outer / modality


def drop_model(tree, object_id) -> Path:
    path = tree.root / download.MODELS[1] / f"{object_id}_cm.obj"
    path.unlink()
    return path


def claim_mano(tree) -> Path:
    """The tree no longer says that its hands are the proxy's: it looks like TACO's own."""
    path = tree.root / download.HAND_MODEL_FILE
    path.unlink()
    return path


# Videos.


def truncate_video(tree, key, serial, modality=download.RGB, keep=0.6) -> Path:
    """The download of a video stopped: its header promises more than there is."""
    path = tree.sequence(key).video(serial, modality)
    return _cut(path, int(keep * path.stat().st_size))


def overwrite_video(tree, key, serial, modality=download.RGB) -> Path:
    """The second half of a video's frames is overwritten with zeros; header and length are intact."""
    path = tree.sequence(key).video(serial, modality)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    length = int.from_bytes(data[start - 8 : start - 4], "big") - 8
    data[start + length // 2 : start + length] = bytes(length - length // 2)
    write_bytes(path, bytes(data))
    return path


def empty_video(tree, key, serial, modality=download.RGB) -> Path:
    path = tree.sequence(key).video(serial, modality)
    write_bytes(path, b"")
    return path


def shorten_video(tree, key, serial, frames=1, modality=download.RGB) -> Path:
    """An intact video has fewer frames than the annotation."""
    path = tree.sequence(key).video(serial, modality)
    write_video(path, decode(path)[:-frames], FPS)
    return path


def square_video(tree, key, serial, modality=download.RGB) -> Path:
    """A video of another aspect than imgSize."""
    path = tree.sequence(key).video(serial, modality)
    height = tree.size[0] // 2 * 2
    write_video(path, decode(path)[:, :, :height], FPS)
    return path


def exchange_videos(tree, key, one, two, modality=download.RGB) -> Path:
    """The videos of two cameras have each other's names."""
    first, second = (tree.sequence(key).video(serial, modality) for serial in (one, two))
    _exchange(first, second)
    return first


def vary_rate(tree, key, serial, modality=download.RGB) -> Path:
    """A video is at 20 frames per second in its first half and at 60 in its second, 30 on average."""
    path = tree.sequence(key).video(serial, modality)
    frames = decode(path)
    path.unlink()
    times = np.where(np.arange(len(frames)) < len(frames) // 2, 3, 1).cumsum()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=60)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame, time in zip(frames, times.tolist(), strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 60)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


# Cameras.


def _edit_calibration(tree, key, edit) -> Path:
    path = tree.sequence(key).calibration
    table = json.loads(path.read_text())
    edit(table)
    write_bytes(path, json.dumps(table).encode())
    return path


def wrong_K(tree, key, size=(3000, 4096)) -> Path:
    """K is for images of ``size`` (H, W), imgSize and the videos are not."""

    def scale(table):
        for entry in table.values():
            ratio = np.array([size[1] / entry["imgSize"][0], size[0] / entry["imgSize"][1], 1.0])
            entry["K"] = (np.reshape(entry["K"], (3, 3)) * ratio[:, None]).ravel().tolist()

    return _edit_calibration(tree, key, scale)


def drop_calibration(tree, key, serial) -> Path:
    """calibration.json has no entry for a camera that filmed."""
    return _edit_calibration(tree, key, lambda table: table.pop(serial))


def turn_camera(tree, key, serial) -> Path:
    """A camera's rotation is turned by 180 degrees, so that no point is in its image."""

    def turn(table):
        half_turn = np.diag([-1.0, 1.0, -1.0])
        table[serial]["R"] = (half_turn @ np.reshape(table[serial]["R"], (3, 3))).ravel().tolist()
        table[serial]["T"] = (half_turn @ table[serial]["T"]).tolist()

    return _edit_calibration(tree, key, turn)


def move_world(tree, key, degrees=4.0, metres=0.05, serials=None) -> Path:
    """The calibration, of all cameras or of these, has a world frame that is turned about the origin and moved along x."""
    turn = cv2.Rodrigues(np.radians(degrees) * np.array([0.6, 0.0, 0.8]))[0]

    def move(table):
        for serial in serials or table:
            R = np.reshape(table[serial]["R"], (3, 3))
            table[serial]["T"] = (np.array(table[serial]["T"]) + R @ [metres, 0.0, 0.0]).tolist()
            table[serial]["R"] = (R @ turn).ravel().tolist()

    return _edit_calibration(tree, key, move)


def garble_calibration(tree, key) -> Path:
    return _cut(tree.sequence(key).calibration, -40)


# Objects.


def _edit_poses(tree, key, role, edit) -> Path:
    _, path = tree.sequence(key).find_object_pose(role)
    stream = io.BytesIO()
    np.save(stream, edit(np.load(path)))
    write_bytes(path, stream.getvalue())
    return path


def frame_counts(tree, key, role="target", missing=1) -> Path:
    """One object has fewer pose rows than the other, the hands and the videos."""
    return _edit_poses(tree, key, role, lambda poses: poses[:-missing])


def non_rigid_pose(tree, key, role="tool", frame=3) -> Path:
    def shear(poses):
        poses[frame, 0, 1] += 0.1
        return poses

    return _edit_poses(tree, key, role, shear)


def nan_pose_rows(tree, key, role="tool", frames=(5, 6)) -> Path:
    """Frames in which an object was not recorded."""

    def lose(poses):
        poses[list(frames)] = np.nan
        return poses

    return _edit_poses(tree, key, role, lose)


def no_pose_at_all(tree, key, role="tool") -> Path:
    return _edit_poses(tree, key, role, lambda poses: np.full_like(poses, np.nan))


def poses_world_to_object(tree, key, role="tool") -> Path:
    """The poses of both objects are inverted; returns the file of one."""
    for other in {"tool", "target"} - {role}:
        _edit_poses(tree, key, other, np.linalg.inv)
    return _edit_poses(tree, key, role, np.linalg.inv)


def exchange_object_poses(tree, key) -> Path:
    """The contents of the pose files of tool and target are exchanged; returns their folder."""
    tool, target = (tree.sequence(key).find_object_pose(role)[1] for role in ("tool", "target"))
    _exchange(tool, target)
    return tool.parent


def cut_poses(tree, key, role="tool") -> Path:
    """A pose file that ends early."""
    _, path = tree.sequence(key).find_object_pose(role)
    return _cut(path, -100)


def mesh_in_metres(tree, object_id) -> Path:
    return _scale_mesh(tree, object_id, 0.01)


def mesh_in_millimetres(tree, object_id) -> Path:
    return _scale_mesh(tree, object_id, 10.0)


def mesh_in_inches(tree, object_id) -> Path:
    return _scale_mesh(tree, object_id, 1 / 2.54)


def _scale_mesh(tree, object_id, factor) -> Path:
    path = tree.download.mesh(object_id)
    lines = []
    for line in path.read_text().splitlines():
        name, *values = line.split()
        lines.append(" ".join([name, *(f"{factor * float(x):.8f}" for x in values)]) if name == "v" else line)
    write_bytes(path, "\n".join(lines).encode())
    return path


# Hands.


class _Danger:
    def __reduce__(self):
        import os

        return os.system, ("echo run > pickle_was_run",)


def forbidden_pickle(tree, key, side="left") -> Path:
    """A hand file would run a program if it were unpickled without restrictions."""
    path = tree.sequence(key).folder(download.HANDS) / f"{side}_hand.pkl"
    write_bytes(path, pickle.dumps({"00001": _Danger()}, protocol=4))
    return path


def cut_pickle(tree, key, side="left", keep=0.5) -> Path:
    path = tree.sequence(key).folder(download.HANDS) / f"{side}_hand.pkl"
    return _cut(path, int(keep * path.stat().st_size))


def _edit_hand(tree, key, side, edit) -> Path:
    path = tree.sequence(key).folder(download.HANDS) / f"{side}_hand.pkl"
    frames = pickle.loads(path.read_bytes())
    frames = {name: {field: tensor.clone() for field, tensor in frame.items()} for name, frame in frames.items()}
    write_bytes(path, pickle.dumps(edit(frames), protocol=4))
    return path


def exchange_hand_files(tree, key) -> Path:
    """The files of left and right hand, of poses and of shapes, are exchanged; returns one."""
    folder = tree.sequence(key).folder(download.HANDS)
    for suffix in ("hand.pkl", "hand_shape.pkl"):
        _exchange(folder / f"left_{suffix}", folder / f"right_{suffix}")
    return folder / "left_hand.pkl"


def late_hand(tree, key, side="right", frames=3) -> Path:
    """A hand is late: frame i has the pose of frame i - 3."""

    def delay(hand):
        names = sorted(hand)
        return {name: hand[names[max(i - frames, 0)]] for i, name in enumerate(names)}

    return _edit_hand(tree, key, side, delay)


def missing_hand_frames(tree, key, side="right", frames=(7, 8)) -> Path:
    """Frame ids (1-based) that a hand file leaves out."""
    gone = {f"{frame:05d}" for frame in frames}
    return _edit_hand(tree, key, side, lambda hand: {name: hand[name] for name in hand if name not in gone})


def short_hand(tree, key, side="right", missing=3) -> Path:
    """A hand file lacks its last frames, so its N disagrees."""
    return _edit_hand(tree, key, side, lambda hand: {name: hand[name] for name in sorted(hand)[:-missing]})


def nan_hand_frame(tree, key, side="right", frame=7) -> Path:
    def lose(hand):
        hand[f"{frame:05d}"]["hand_pose"] = torch.full((48,), torch.nan)
        return hand

    return _edit_hand(tree, key, side, lose)


def far_hand(tree, key, side="right") -> Path:
    """A hand is ten metres away, as in another date's world frame."""

    def move(hand):
        return {name: {**frame, "hand_trans": frame["hand_trans"] + 10.0} for name, frame in hand.items()}

    return _edit_hand(tree, key, side, move)


# The egocentric camera and the mirror's table.


def short_ego(tree, key, missing=1) -> Path:
    path = tree.sequence(key).ego_video
    write_video(path, decode(path)[:-missing], FPS, "mpeg4")
    return path


def bad_calibration_status(tree, key, status="bad_calibration", cameras=()) -> Path:
    """The mirror's taco_info.csv, in which one sequence's calibration is marked bad."""
    path = tree.root / download.INFO_FILE
    rows = ["sequence_id,n_frames,calib_status,calib_bad_cams,calib_reviewed"]
    for name, written in tree.written.items():
        shoot = written.shoot
        said, bad = (status, ";".join(cameras)) if name == key else ("good", "")
        rows.append(f'"{download.triplet_folder(shoot.triplet)}/{name}",{shoot.frames},{said},{bad},True')
    write_bytes(path, ("\n".join(rows) + "\n").encode())
    return path
