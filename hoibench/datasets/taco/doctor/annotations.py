"""Where hands and objects are said to be: pose files, hand pickles, meshes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.report import Check, Findings
from hoibench.datasets.taco.download import HANDS, ROLES, TacoSequence, find_model
from hoibench.datasets.taco.hand.hand_pose import SIDES, Side, read_hand
from hoibench.datasets.taco.objects import pose_rows, read_mesh, read_poses


def check_annotations(context: DiagnosticContext) -> Iterator[Check]:
    """The checks of this module: object poses of all sequences, hands and meshes of the sampled ones."""
    yield _pose_files(context)
    yield from _poses(context)
    yield from _hand_files(context)
    yield from _hands(context)
    yield _meshes(context)


def _pose_files(context: DiagnosticContext) -> Check:
    found = Findings()
    for sequence in context.each("heads of pose files", context.posed):
        with found.catch(sequence.key):
            tool, target = (sequence.object_pose(role)[1] for role in ROLES)
            rows = pose_rows(tool), pose_rows(target)
            if rows[0] != rows[1]:
                found.add(tool, f"has {rows[0]} rows, {target.name} {rows[1]}", expected="as many in both")
    return found.check(
        "poses",
        "object poses are missing, broken or of different lengths",
        "every sequence has poses of tool and target, of one length",
        "unpack Object_Poses.zip again",
        looked_at=len(context.posed),
    )


def _poses(context: DiagnosticContext) -> Iterator[Check]:
    broken, gaps = Findings(), Findings()
    read = 0
    for sequence in context.each("object poses", context.posed):
        for role in ROLES:
            try:
                _, path = sequence.object_pose(role)
                pose_rows(path)
            except (ValueError, OSError):
                continue  # told by the check of pose files
            with broken.catch(path):
                _note_gaps(gaps, path, read_poses(path)[:, 0, 0])
                read += 1
    yield broken.check(
        "rigid",
        "object poses are not rigid, or none was recorded",
        "all object poses are rigid",
        "unpack Object_Poses.zip again; if they stay, leave these sequences out",
        looked_at=read,
    )
    yield gaps.check(
        "object-gaps",
        "rows of object poses were not recorded (NaN)",
        "all rows of object poses were recorded",
        "nothing: the part is left out of these frames and not scored there",
        looked_at=read,
        status="warning",
    )


def _note_gaps(gaps: Findings, file: Path, values: Array) -> None:
    """Note the rows of (N,) ``values`` that are NaN, as many findings as rows."""
    rows = np.flatnonzero(np.isnan(values))
    if rows.size:
        gaps.add(file, f"{rows.size} of {len(values)} rows, the first is {rows[0]}", times=int(rows.size))


def _hand_files(context: DiagnosticContext) -> Iterator[Check]:
    poses, shapes = Findings(), Findings()
    keys = sorted(context.listing.there[HANDS])
    for key in context.each("names of hand files", keys):
        folder = context.listing.sequences[key].folder(HANDS)
        for side in SIDES:
            if not _has_hand(folder, side):
                poses.add(folder / f"{side}_hand.pkl", "is missing")
            if not (folder / f"{side}_hand_shape.pkl").is_file():
                shapes.add(folder / f"{side}_hand_shape.pkl", "is missing: the mean shape is taken")
    yield poses.check(
        "hand-files",
        "hand poses are missing",
        "every sequence of Hand_Poses has both hands",
        "unpack Hand_Poses.zip again",
        looked_at=len(keys),
    )
    yield shapes.check(
        "hand-shapes",
        "hand shapes are missing",
        "every hand has a shape",
        "unpack Hand_Poses.zip again; TACO's own code takes the mean shape too",
        looked_at=len(keys),
        status="warning",
    )


def _has_hand(folder: Path, side: Side) -> bool:
    """Whether a hand's poses are there, as one file or, in the older form, as a folder of one file a frame."""
    return (folder / f"{side}_hand.pkl").is_file() or (folder / f"{side}_hand").is_dir()


def _hands(context: DiagnosticContext) -> Iterator[Check]:
    broken, gaps = Findings(), Findings()
    read = 0
    there = [sequence for sequence in context.sampled if sequence.key in context.listing.there[HANDS]]
    for sequence in context.each("hand poses", there):
        for side in SIDES:
            folder = sequence.folder(HANDS)
            if not _has_hand(folder, side):
                continue  # told by the check of hand files
            path = folder / f"{side}_hand.pkl"
            with broken.catch(path):
                hand = read_hand(folder, side)
                read += 1
                _note_gaps(gaps, path, hand.theta[:, 0])
                rows = context.frames.get(sequence.key, len(hand.theta))
                if len(hand.theta) != rows:
                    last = f"the last frame of the {side} hand is {len(hand.theta)}"
                    broken.add(path, last, expected=f"{rows}, that of the objects")
    yield broken.check(
        "hands",
        "hand poses are broken, refused or of other lengths than the objects'",
        "hand poses read, and are as long as the objects'",
        "unpack Hand_Poses.zip again; do not unpickle a refused file by other means",
        looked_at=read,
    )
    yield gaps.check(
        "hand-gaps",
        "frames of hands were not recorded",
        "all frames of hands were recorded",
        "nothing: the hand is left out of these frames and not scored there",
        looked_at=read,
        status="warning",
    )


def _meshes(context: DiagnosticContext) -> Check:
    found = Findings()
    every, sampled = _objects(context.posed), _objects(context.sampled)
    for object_id in context.each("meshes", sorted(every)):
        with found.catch(f"object {object_id}"):
            path = find_model(context.root, object_id)
            if object_id in sampled:
                read_mesh(path)
    return found.check(
        "meshes",
        "meshes are missing, broken or not in centimetres",
        "every object has a mesh, in centimetres",
        "unpack Object_Models.zip again",
        looked_at=len(every),
    )


def _objects(sequences: tuple[TacoSequence, ...]) -> set[str]:
    """Ids of the objects that pose files name."""
    ids = set()
    for sequence in sequences:
        for role in ROLES:
            try:
                ids.add(sequence.object_pose(role)[0])
            except (ValueError, OSError):
                continue
    return ids
