"""Reader of MANO's model files, which users download themselves: MANO_LEFT and MANO_RIGHT, .pkl as released or .npz as converted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hoibench.clip import Array
from hoibench.datasets.taco.hand.hand_pose import Side
from hoibench.datasets.taco.hand.mano_pickle import as_array, read_model_pickle
from hoibench.store import read_npz, write_npz

_SHAPES = {
    "v_template": (778, 3),
    "shapedirs": (778, 3, 10),
    "posedirs": (778, 3, 135),
    "J_regressor": (16, 778),
    "weights": (778, 16),
    "hands_mean": (45,),
    "f": (1538, 3),
    "kintree_table": (2, 16),
}
"""Name -> shape of each array that is read from a model file."""

_VERTICES = 778
_OTHER_MODELS = {6890: "SMPL or SMPL+H", 10475: "SMPL-X", 5023: "FLAME"}
_PARENTS = np.array([-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14])
_WRIST, _MIDDLE_TIP = 0, 444
"""At rest, the middle finger points from the wrist along +x in the left hand, along -x in the right."""
_FIX = "download it again"


@dataclass(frozen=True, eq=False)
class ManoFile:
    """The contents of MANO's model file of one hand (Romero et al. 2017), float64, metres.

    Attributes:
        side: left or right, determined from the rest pose.
        v_template: (778, 3) vertices of the mean shape at rest.
        shapedirs: (778, 3, 10) displacement of each vertex for one unit of each shape coefficient.
        posedirs: (778, 3, 135) displacement of each vertex for one unit of each entry of the 15 joints' rotation matrices minus the identity.
        J_regressor: (16, 778) matrix that computes the joints from the vertices.
        weights: (778, 16) skinning weights of the joints at each vertex; rows sum to 1.
        hands_mean: (45,) the mean pose: axis-angle vectors of the 15 joints, radians.
        faces: (1538, 3) triangles, counter-clockwise from outside.
        parents: (16,) parent of each joint, -1 for the wrist.
    """

    side: Side
    v_template: Array
    shapedirs: Array
    posedirs: Array
    J_regressor: Array
    weights: Array
    hands_mean: Array
    faces: NDArray[np.int32]
    parents: NDArray[np.int64]


def read_mano(path: Path, side: Side | None = None) -> ManoFile:
    """Read MANO's model file of one hand, a converted .npz or the released .pkl, without executing the pickle.

    Args:
        path: the file.
        side: the expected hand; by default, either.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is damaged, of another model or of the other hand; names file, member and value.
    """
    arrays = _read_arrays(path)
    model = _to_model(path, arrays)
    if side not in (None, model.side):
        raise ValueError(f"{path} is MANO's {model.side} hand, expected the {side} one: check the file names")
    return model


def find_mano(folder: Path, side: Side) -> Path:
    """Return the path of MANO_LEFT or MANO_RIGHT in a folder or its subfolder ``models``; prefer the converted .npz to the released .pkl.

    Raises:
        FileNotFoundError: there is neither.
    """
    names = [f"MANO_{side.upper()}{suffix}" for suffix in (".npz", ".pkl")]
    for path in (parent / name for parent in (folder, folder / "models") for name in names):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"{folder} has neither {names[0]} nor {names[1]}: download MANO from mano.is.tue.mpg.de and give the folder of its MANO_*.pkl"
    )


def convert(source: Path, target: Path) -> None:
    """Convert the released model file ``source`` to the .npz file ``target``, which is faster to read; the released file's licence still applies.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not a MANO model.
        OSError: the target cannot be written.
    """
    arrays = _read_arrays(source)
    _to_model(source, arrays)
    write_npz(target, {name: arrays[name] for name in _SHAPES})


def _read_arrays(path: Path) -> dict[str, Array]:
    if path.suffix == ".npz":
        return read_npz(path)
    arrays = {}
    for name, value in read_model_pickle(path).items():
        if name in _SHAPES:
            try:
                arrays[name] = as_array(value)
            except ValueError as error:
                raise ValueError(f"{path}: {name}: {error}: {_FIX}") from error
    return arrays


def _to_model(path: Path, arrays: dict[str, Array]) -> ManoFile:
    _check_members(path, arrays)
    reals = {name: arrays[name].astype(np.float64) for name in _SHAPES if name not in ("f", "kintree_table")}
    sums = reals["weights"].sum(axis=1)
    worst = int(np.abs(sums - 1.0).argmax())
    if abs(sums[worst] - 1.0) > 1e-4:
        raise ValueError(f"{path}: the weights of vertex {worst} sum to {sums[worst]:.4g}, expected 1: {_FIX}")
    faces = arrays["f"].astype(np.int64)
    if faces.min() < 0 or faces.max() >= _VERTICES:
        raise ValueError(
            f"{path}: f has vertices {faces.min()} to {faces.max()}, expected 0 to {_VERTICES - 1}: {_FIX}"
        )
    # The root's parent is 2^32 - 1 in the file.
    parents = np.where(np.arange(16) == 0, -1, arrays["kintree_table"][0].astype(np.int64))
    if not np.array_equal(parents, _PARENTS):
        raise ValueError(f"{path}: kintree_table has parents {parents.tolist()}, expected {_PARENTS.tolist()}: {_FIX}")
    rest = reals["v_template"]
    reach = float(rest[_MIDDLE_TIP, 0] - reals["J_regressor"][_WRIST] @ rest[:, 0])
    return ManoFile("left" if reach > 0.0 else "right", **reals, faces=_outward(rest, faces), parents=parents)


def _check_members(path: Path, arrays: dict[str, Array]) -> None:
    vertices = arrays.get("v_template")
    if vertices is not None and vertices.shape[:1] != (_VERTICES,):
        other = _OTHER_MODELS.get(vertices.shape[0] if vertices.ndim else 0, "another model")
        raise ValueError(f"{path} is {other} (its vertices have shape {vertices.shape}): give MANO_LEFT or MANO_RIGHT")
    for name, shape in _SHAPES.items():
        if name not in arrays:
            raise ValueError(f"{path} has no {name}, so it is not a MANO model: give MANO_LEFT or MANO_RIGHT")
        if arrays[name].shape != shape:
            raise ValueError(f"{path}: {name} has shape {arrays[name].shape}, expected {shape}: {_FIX}")
        if arrays[name].dtype.kind not in "fiu" or not np.isfinite(arrays[name]).all():
            raise ValueError(f"{path}: {name} has non-numeric or non-finite values: {_FIX}")


def _outward(vertices: Array, faces: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the faces (F, 3) oriented outwards: flipped if they enclose a negative volume, with the open wrist closed by a fan of triangles."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs, uses = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    rim = np.unique(pairs[uses == 1])
    # Relative to the centre of the fan, the fan itself has no volume.
    a, b, c = np.moveaxis((vertices - vertices[rim if rim.size else slice(None)].mean(axis=0))[faces], 1, 0)
    flipped = faces if (a * np.cross(b, c)).sum() >= 0.0 else faces[:, ::-1]
    return flipped.astype(np.int32)
