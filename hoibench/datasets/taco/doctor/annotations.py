"""Checks of annotations: object poses, hand poses and meshes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.report import Check, Findings
from hoibench.datasets.taco.download import HANDS, OBJECT_ROLES, TacoSequence, find_mesh
from hoibench.datasets.taco.hand.hand_pose import SIDES, Side, read_hand
from hoibench.datasets.taco.objects import count_pose_rows, read_mesh, read_poses
from hoibench.text import count


def check_annotations(context: DiagnosticContext) -> Iterator[Check]:
    """Yield the checks of annotations: object poses and file names of all sequences; contents of hand poses and meshes of the sampled ones."""
    yield _pose_files(context)
    yield from _poses(context)
    yield from _hand_files(context)
    yield from _hands(context)
    yield _meshes(context)


def _pose_files(context: DiagnosticContext) -> Check:
    found = Findings()
    for sequence in context.iterate("headers of pose files", context.with_poses):
        with found.catch(sequence.key):
            tool, target = (sequence.find_object_pose(role)[1] for role in OBJECT_ROLES)
            rows = count_pose_rows(tool), count_pose_rows(target)
            if rows[0] != rows[1]:
                found.add(tool, f"has {count(rows[0], 'row')}, {target.name} {rows[1]}", expected="equal numbers")
    return found.to_check(
        "poses",
        "object poses are missing, damaged or of different lengths",
        "every sequence has poses of tool and target, of equal length",
        "unpack Object_Poses.zip again",
        checked=len(context.with_poses),
    )


def _poses(context: DiagnosticContext) -> Iterator[Check]:
    invalid, gaps = Findings(), Findings()
    read = 0
    for sequence in context.iterate("object poses", context.with_poses):
        for role in OBJECT_ROLES:
            try:
                _, path = sequence.find_object_pose(role)
                count_pose_rows(path)
            except (ValueError, OSError):
                continue  # reported by the check of pose files
            with invalid.catch(path):
                _add_gaps(gaps, path, read_poses(path)[:, 0, 0])
                read += 1
    yield invalid.to_check(
        "rigid",
        "object poses are not rigid, or none was recorded",
        "all object poses are rigid",
        "unpack Object_Poses.zip again; if the problem remains, exclude these sequences",
        checked=read,
    )
    yield gaps.to_check(
        "object-gaps",
        "rows of object poses were not recorded (NaN)",
        "all rows of object poses were recorded",
        "nothing: the part is not scored in these frames",
        checked=read,
        status="warning",
    )


def _add_gaps(gaps: Findings, file: Path, values: Array) -> None:
    """Add one problem of ``file`` to ``gaps`` if rows of ``values`` (N,) are NaN, i.e. were not recorded; it counts once per such row."""
    rows = np.flatnonzero(np.isnan(values))
    if rows.size:
        gaps.add(
            file, f"lacks {rows.size} of {count(len(values), 'row')}, the first is {rows[0]}", times=int(rows.size)
        )


def _hand_files(context: DiagnosticContext) -> Iterator[Check]:
    poses, shapes = Findings(), Findings()
    keys = sorted(context.listing.keys[HANDS])
    for key in context.iterate("names of hand files", keys):
        folder = context.listing.sequences[key].folder(HANDS)
        for side in SIDES:
            if not _has_hand(folder, side):
                poses.add(folder / f"{side}_hand.pkl", "is missing")
            if not (folder / f"{side}_hand_shape.pkl").is_file():
                shapes.add(folder / f"{side}_hand_shape.pkl", "is missing: the mean shape is used")
    yield poses.to_check(
        "hand-files",
        "hand poses are missing",
        "every sequence of Hand_Poses has both hands",
        "unpack Hand_Poses.zip again",
        checked=len(keys),
    )
    yield shapes.to_check(
        "hand-shapes",
        "hand shapes are missing",
        "every hand has a shape",
        "unpack Hand_Poses.zip again; TACO's own code also uses the mean shape",
        checked=len(keys),
        status="warning",
    )


def _has_hand(folder: Path, side: Side) -> bool:
    """Return True if a hand's poses exist in a sequence's folder, as one file or, in the older form, as a folder of one file per frame."""
    return (folder / f"{side}_hand.pkl").is_file() or (folder / f"{side}_hand").is_dir()


def _hands(context: DiagnosticContext) -> Iterator[Check]:
    invalid, gaps = Findings(), Findings()
    read = 0
    with_hands = [sequence for sequence in context.sampled if sequence.key in context.listing.keys[HANDS]]
    for sequence in context.iterate("hand poses", with_hands):
        for side in SIDES:
            folder = sequence.folder(HANDS)
            if not _has_hand(folder, side):
                continue  # reported by the check of hand files
            path = folder / f"{side}_hand.pkl"
            with invalid.catch(path):
                hand = read_hand(folder, side)
                read += 1
                _add_gaps(gaps, path, hand.theta[:, 0])
                rows = context.frame_counts.get(sequence.key, len(hand.theta))
                if len(hand.theta) != rows:
                    invalid.add(path, f"ends at frame {len(hand.theta)}", expected=f"{rows} as for the objects")
    yield invalid.to_check(
        "hands",
        "hand poses are damaged, rejected or of other lengths than the objects'",
        "hand poses are valid and as long as the objects'",
        "unpack Hand_Poses.zip again; never unpickle a rejected file by other means",
        checked=read,
    )
    yield gaps.to_check(
        "hand-gaps",
        "frames of hands were not recorded",
        "all frames of hands were recorded",
        "nothing: the hand is not scored in these frames",
        checked=read,
        status="warning",
    )


def _meshes(context: DiagnosticContext) -> Check:
    found = Findings()
    all_ids, sampled = _object_ids(context.with_poses), _object_ids(context.sampled)
    for object_id in context.iterate("meshes", sorted(all_ids)):
        with found.catch(f"object {object_id}"):
            path = find_mesh(context.root, object_id)
            if object_id in sampled:
                read_mesh(path)
    return found.to_check(
        "meshes",
        "meshes are missing, damaged or not in centimetres",
        "every object has a mesh, in centimetres",
        "unpack Object_Models.zip again",
        checked=len(all_ids),
    )


def _object_ids(sequences: tuple[TacoSequence, ...]) -> set[str]:
    """Return the ids of the sequences' objects, from the names of pose files; missing and invalid files are skipped."""
    ids = set()
    for sequence in sequences:
        for role in OBJECT_ROLES:
            try:
                ids.add(sequence.find_object_pose(role)[0])
            except (ValueError, OSError):
                continue
    return ids
