"""A sample of the content of the synthetic data set, and its comparison with the arrays in tests/datasets/synthetic/golden.

After a change of contents that is meant, raise ``VERSION`` or ``REACH_VERSION`` in hoibench/datasets/synthetic/dataset.py, then run this file to
store what the new version holds.
"""

import hashlib
import io
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from hoibench.datasets.split_files import VersionedSplit
from hoibench.datasets.synthetic.cameras import build_camera
from hoibench.datasets.synthetic.catalogue import INSTANCES, catalogue, make_object
from hoibench.datasets.synthetic.dataset import REACH_VERSION, VERSION, SyntheticDataset, build_line_scene
from hoibench.datasets.synthetic.materials import build_textured_surfaces
from hoibench.datasets.synthetic.render import RenderScene, RenderView
from hoibench.datasets.synthetic.scene import build_scene
from hoibench.datasets.synthetic.world_frames import recording_dates, world_frame
from hoibench.datasets.synthetic.writer import zoomed_cameras
from hoibench.datasets.taco.hand import proxy_hand
from hoibench.datasets.taco.hand.hand_pose import SIDES
from hoibench.datasets.taco.rig import rig

FOLDER = Path(__file__).parents[1] / "datasets" / "synthetic" / "golden"

NEAR = 1e-5
"""Tolerance of coordinates in metres, pixels or noise cells."""
SHARE = 0.999
"""Share of an image's pixels, a mask's pixels or visibilities that must agree."""

_UNIT = 1e-6
_MIDDLE = 12
_SKIN = slice(0, 778, 60)  # vertices of the hand that are followed through every frame
_FRAME = np.array(
    [[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1]]
)  # points that move as an object does


def contents(root):
    """Return name -> array of the content of a version, in metres; ``root`` is a folder for a generated clip."""
    return objects() | scenes() | frames() | loaded_clip(root)


@cache
def objects():
    """Return the shape of every object."""
    models = [make_object(category, instance) for category in catalogue().categories for instance in range(INSTANCES)]
    faces = [np.frombuffer(hashlib.sha256(p.solid.faces.tobytes()).digest()[:8], np.uint8) for p in models]
    return {
        "objects/vertices": np.concatenate([model.solid.vertices for model in models]),
        "objects/counts": np.array([len(model.solid.vertices) for model in models]),
        "objects/faces": np.stack(faces),
    }


def chosen_triplets():
    """Return triplets that together have every action, tool and target."""
    known = catalogue().triplets
    chosen, missing = [], {word for triplet in known for word in enumerate(triplet)}
    while missing:
        best = max(known, key=lambda triplet: len(missing & set(enumerate(triplet))))
        chosen.append(best)
        missing -= set(enumerate(best))
    return chosen


@cache
def scenes():
    """Return the motion in scenes with every action, tool, target and person, and an image by every camera of the rig."""
    found = {name: [] for name in ("motion", "skin", "hand", "betas", "material")}
    serials = sorted(rig().cameras)
    pictures = []
    for index, triplet in enumerate(chosen_triplets()):
        scene = build_scene(triplet, index % INSTANCES, (3 * index + 1) % INSTANCES, index)
        hands, skin = [scene.hands[side] for side in SIDES], _skin(scene)
        surfaces = build_textured_surfaces(scene, index)
        found["motion"].append(_motion(scene))
        found["skin"].append(skin[:, :, _SKIN])
        found["hand"].append(skin[:, _MIDDLE])
        found["betas"].append([hand.betas for hand in hands])
        found["material"].append([_material(textured.material) for textured in surfaces])
        if index < len(serials):
            render_scene = RenderScene(surfaces)
            camera = zoomed_cameras(surfaces, serials[index : index + 1])[serials[index]]
            pictures.append(RenderView(render_scene, camera).render(render_scene.mesh(_MIDDLE)))
    return {f"scenes/{name}": np.array(values) for name, values in found.items()} | {"pictures": np.stack(pictures)}


def reach_contents():
    """Return the motion of objects and hands in the demo clips of synthetic-reach; all else is made as in the other splits."""
    built = [build_line_scene(line) for line in VersionedSplit(REACH_VERSION).lines("demo")]
    return {
        "reach/motion": np.array([_motion(scene) for scene in built]),
        "reach/skin": np.array([_skin(scene)[:, :, _SKIN] for scene in built]),
    }


def _motion(scene):
    return [item.poses[:, :3, :3] @ _FRAME.T + item.poses[:, :3, 3:] for item in (scene.tool, scene.target)]


def _skin(scene):
    return np.stack([proxy_hand.vertices(h.side, h.theta, h.trans, h.betas) for h in map(scene.hands.get, SIDES)])


def frames():
    """Return the cameras of the rig and the world frame of each recording date."""
    worlds = [world_frame(date) for date in recording_dates()]
    return {
        "rig/cameras": np.stack([_matrix(build_camera(serial)) for serial in sorted(rig().cameras)]),
        "dates/frames": np.stack([np.column_stack([world.R, world.t]) for world in worlds]),
    }


def loaded_clip(root):
    """Return the truth of one loaded clip."""
    dataset = SyntheticDataset.open(root)
    clip = dataset.load(dataset.manifest("demo").entries[0])
    return {
        "clip/cameras": np.stack([_matrix(camera) for camera in clip.cameras]),
        "clip/world": clip.tracks.world.astype(np.float64),
        "clip/visible": clip.tracks.visible,
        "clip/part": clip.tracks.part,
        "clip/masks": clip.masks[:, _MIDDLE],
        "clip/video": clip.video[:, _MIDDLE],
    }


def _material(material):
    shifts = material.shift.reshape(2, 3)
    return [*material.palette, *material.lattice, *shifts, np.full(3, material.threshold)]


def _matrix(camera):
    return np.column_stack([camera.K, camera.R, camera.t])


def differences(golden, found):
    """Return one sentence for each difference beyond the tolerances."""
    if golden.keys() != found.keys():
        return [f"other arrays: {', '.join(sorted(golden.keys() ^ found.keys()))}"]
    pairs = ((name, golden[name], found[name]) for name in golden)
    return [f"{name}: {problem}" for name, before, now in pairs if (problem := _difference(name, before, now))]


def _difference(name, before, now):
    if before.shape != now.shape:
        return f"shape {now.shape}, was {before.shape}"
    if now.dtype.kind == "f":
        largest = np.abs(now - before).max()
        return "" if largest <= NEAR + _UNIT else f"differs by up to {largest:.2g}"
    if name in ("pictures", "clip/video"):
        same = (np.abs(now.astype(int) - before).max(axis=-1) <= 1).mean(axis=(1, 2))
    elif name in ("clip/masks", "clip/visible"):
        same = (now == before).mean(axis=(1, 2))
    else:
        return "" if np.array_equal(now, before) else "differs"
    return "" if same.min() >= SHARE else f"only {100 * same.min():.2f} % agree in view {same.argmin()}"


def read_golden(version=VERSION):
    """Read the stored content of a version."""
    with np.load(FOLDER / f"{version}.npz") as stored:
        return {name: _unpacked(name, stored[name]) for name in stored.files}


def write_golden(found, version):
    """Store content as that of a version."""
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(FOLDER / f"{version}.npz", **{name: _packed(name, array) for name, array in found.items()})


def _packed(name, array):
    if name in ("pictures", "clip/video"):
        stream = io.BytesIO()
        Image.fromarray(array.reshape(-1, *array.shape[2:])).save(stream, "PNG", optimize=True)
        return np.frombuffer(stream.getvalue(), np.uint8)
    return np.rint(array / _UNIT).astype(np.int32) if array.dtype.kind == "f" else array


def _unpacked(name, array):
    if name in ("pictures", "clip/video"):
        stacked = np.asarray(Image.open(io.BytesIO(array.tobytes())))
        return stacked.reshape(-1, 128, *stacked.shape[1:])
    return array * _UNIT if array.dtype == np.int32 else array


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        current = {VERSION: contents(Path(folder)), REACH_VERSION: reach_contents()}
    for version, now in current.items():
        if not (FOLDER / f"{version}.npz").is_file():
            write_golden(now, version)
        elif changes := differences(read_golden(version), now):
            sys.exit("\n".join([f"the contents are not those of {version}; raise it first:", *changes]))
