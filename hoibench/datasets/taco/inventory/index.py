"""The index of a TACO tree: one record a sequence, made without reading a video, to see what is there and to compare copies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hoibench.datasets.taco.calibration import read_calibration
from hoibench.datasets.taco.hand.hands import SIDES, read_hand
from hoibench.datasets.taco.inventory.fingerprint import print_camera, values_digest
from hoibench.datasets.taco.inventory.index_record import Record
from hoibench.datasets.taco.inventory.mirror_info import CalibrationReview, read_reviews
from hoibench.datasets.taco.inventory.object_table import format_objects
from hoibench.datasets.taco.layout import (
    CAMERAS,
    HANDS,
    INFO_FILE,
    POSES,
    ROLES,
    Sequence,
    Tree,
    discover,
)
from hoibench.datasets.taco.objects import pose_rows, read_poses
from hoibench.datasets.taco.protocol import MODALITIES
from hoibench.store import write_bytes

SEQUENCES = "sequences.jsonl"
OBJECTS = "objects.csv"


def index_tree(
    tree: Tree, on_progress: Callable[[int, int], None] | None = None, *, hands: bool = False
) -> tuple[Record, ...]:
    """One record of each sequence that any folder of the tree holds, sorted by key; a broken sequence is a record with its problems.

    Args:
        tree: the copy of TACO.
        on_progress: told how many sequences of how many are done.
        hands: whether to fingerprint hands too, whose files are 26 GB.

    Raises:
        ValueError: the mirror's taco_info.csv is broken.
    """
    info = tree.root / INFO_FILE
    reviews = read_reviews(info) if info.is_file() else {}
    there = _modalities(tree)
    records = []
    for done, key in enumerate(sorted(there), start=1):
        records.append(_record(there[key], hands, reviews.get(key)))
        if on_progress is not None:
            on_progress(done, len(there))
    return tuple(records)


def write_index(records: tuple[Record, ...], out: Path) -> None:
    """Write sequences.jsonl and objects.csv into a folder, each whole or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    lines = (json.dumps(record.to_json(), separators=(",", ":"), allow_nan=False) + "\n" for record in records)
    write_bytes(out / SEQUENCES, "".join(lines).encode())
    write_bytes(out / OBJECTS, format_objects(records).encode())


def read_index(path: Path) -> tuple[Record, ...]:
    """The records of a sequences.jsonl, or of the one in a folder.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: a line is no record, or they are not sorted by key without repetition; names file and line.
    """
    path = path / SEQUENCES if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: make it with `hoibench data index ROOT --out DIR`")
    records = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            records.append(Record.from_json(json.loads(line)))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}, line {number} is no record of an index: {error}") from error
    keys = [record.key for record in records]
    if keys != sorted(set(keys)):
        raise ValueError(f"{path} is not sorted by key without repetition")
    return tuple(records)


def _modalities(tree: Tree) -> dict[str, dict[str, Sequence]]:
    """Key -> top folder -> sequence, of all that hold anything; the object poses first, since they name the triplet."""
    found: dict[str, dict[str, Sequence]] = {}
    tops = sorted((path.name for path in tree.root.iterdir() if path.is_dir()), key=lambda name: (name != POSES, name))
    for modality in tops:
        for key, sequence in discover(tree.root, modality).items():
            if not _is_empty(sequence.folder(modality)):
                found.setdefault(key, {})[modality] = sequence
    return found


def _is_empty(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return False  # reading what is in it will say why it cannot be


def _record(there: Mapping[str, Sequence], hands: bool, review: CalibrationReview | None) -> Record:
    sequence = next(iter(there.values()))
    problems = _Problems(sequence.root)
    if odd := {name: other.triplet for name, other in there.items() if other.triplet != sequence.triplet}:
        problems.add(f"its triplet is {sequence.triplet}, but {', '.join(f'{t} in {name}' for name, t in odd.items())}")
    objects, frames, poses = _poses(sequence, problems) if POSES in there else ({}, None, {})
    prints = {}
    if CAMERAS in there:
        with problems.noted():
            prints = {serial: print_camera(c) for serial, c in read_calibration(sequence.calibration).items()}
    return Record(
        key=sequence.key,
        triplet=sequence.triplet,
        modalities=tuple(sorted(there)),
        videos={name: tuple(sequence.videos(folder)) for name, folder in MODALITIES.items()},
        objects=objects,
        frames=frames,
        poses=poses,
        hands=_hands(sequence, frames, problems) if hands and HANDS in there else {},
        cameras=prints,
        calib_status=review.status if review else None,
        calib_bad_cams=review.bad_cameras if review else (),
        problems=tuple(problems.found),
    )


def _poses(sequence: Sequence, problems: _Problems) -> tuple[dict[str, str], int | None, dict[str, str]]:
    """Object ids, N and digests of the poses that can be read."""
    objects, rows, digests = {}, {}, {}
    for role in ROLES:
        with problems.noted():
            objects[role], path = sequence.object_pose(role)
            rows[role] = pose_rows(path)
            digests[role] = values_digest(read_poses(path))
    if len(set(rows.values())) > 1:
        problems.add(f"the last frame of the tool is {rows['tool']}, that of the target {rows['target']}")
    return objects, next(iter(rows.values()), None), digests


def _hands(sequence: Sequence, frames: int | None, problems: _Problems) -> dict[str, str]:
    digests: dict[str, str] = {}
    for side in SIDES:
        with problems.noted():
            hand = read_hand(sequence.folder(HANDS), side)
            digests[side] = values_digest(hand.theta, hand.trans, hand.betas)
            if frames is not None and len(hand.theta) != frames:
                problems.add(f"the last frame of the {side} hand is {len(hand.theta)}, that of the objects {frames}")
    return digests


class _Problems:
    """What is wrong with a sequence, without the path of the tree, so that an index can be given away."""

    def __init__(self, root: Path) -> None:
        self.found: list[str] = []
        self._root = f"{root}/"

    def add(self, problem: str) -> None:
        self.found.append(problem.replace(self._root, ""))

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Whatever a broken file raises is a problem of its sequence, and never the end of the index."""
        try:
            yield
        except Exception as error:
            self.add(str(error) if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {error}")
