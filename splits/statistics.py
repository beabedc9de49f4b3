"""Print statistics of the TACO splits: ``python -m splits.statistics`` prints two Markdown tables, of docs/taco.md.

The first says what the clips of each part for evaluation have in common with train, the second how far apart their cameras are.  TACO's lists name no
objects: give --root, a TACO download (the folder Object_Poses is enough), to also compare the objects.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

from sklearn.metrics import homogeneity_score

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import VersionedSplit
from hoibench.datasets.taco.download import OBJECT_ROLES, TacoDownload
from hoibench.plugins import UnknownName
from splits.taco import read_table
from splits.taco_cameras import MAX_ANGLE, widest_angle

Objects = Mapping[str, tuple[str, str]]
"""Sequence key -> ids of its tool and its target."""


@dataclass(frozen=True)
class EvaluationPart:
    """The clips of a part for evaluation, or those of them with a tag, and the part ``train`` of the same split."""

    name: str
    clips: tuple[ClipEntry, ...]
    train: tuple[ClipEntry, ...]


def evaluation_parts(split: VersionedSplit) -> Iterator[EvaluationPart]:
    """Yield each part of a split but train, and its clips with each tag if the clips' tags differ."""
    train = split.manifest("train").entries
    for part in (name for name in split.release.files if name != "train"):
        clips = split.manifest(part).entries
        yield EvaluationPart(f"{split.name}/{part}", clips, train)
        tags = Counter(tag for clip in clips for tag in clip.tags if tag.startswith("unseen_"))
        for tag in sorted(tag for tag, number in tags.items() if number < len(clips)):
            tagged = tuple(clip for clip in clips if tag in clip.tags)
            yield EvaluationPart(f"... {tag}", tagged, train)


def recording_date(clip: ClipEntry) -> str:
    """Return the date YYYYMMDD of a clip's recording."""
    return clip.id.partition("_")[0]


@cache
def official_train() -> frozenset[str]:
    """Return the keys of the sequences in TACO's own train set."""
    return frozenset(clip.id for clip in VersionedSplit("taco-official@1").manifest("train").entries)


def count_shared(part: EvaluationPart, feature: Callable[[ClipEntry], object]) -> int:
    """Return the number of clips whose feature, e.g. their triplet, some clip of train has."""
    known = {feature(clip) for clip in part.train}
    return sum(feature(clip) in known for clip in part.clips)


def share_explained(clips: Sequence[ClipEntry], word: int, other: Callable[[ClipEntry], object]) -> float:
    """Return the share of the entropy of a word of the triplets that a feature explains, 0 to 1: 1 if clips with the same feature share the word.

    Rosenberg & Hirschberg 2007, homogeneity.

    Args:
        clips: the clips.
        word: index in (tool, action, target).
        other: feature of a clip, such as its date.
    """
    names, groups = zip(*((clip.triplet[word], str(other(clip))) for clip in clips if clip.triplet), strict=True)
    return float(homogeneity_score(names, groups))


def leak_row(part: EvaluationPart) -> dict[str, str]:
    """Return the row of the table of what clips have in common with train: column -> text."""
    dates = Counter(map(recording_date, part.clips))
    [(_, most)] = dates.most_common(1)
    shared: dict[str, Callable[[ClipEntry], object]] = {
        "tool": lambda clip: clip.triplet and clip.triplet[0],
        "action": lambda clip: clip.triplet and clip.triplet[1],
        "target": lambda clip: clip.triplet and clip.triplet[2],
        "triplet": lambda clip: clip.triplet,
        "date": recording_date,
        "triplet and date": lambda clip: (clip.triplet, recording_date(clip)),
    }
    return {
        "part": part.name,
        "clips": str(len(part.clips)),
        "triplets": str(len({clip.triplet for clip in part.clips})),
        "dates": str(len(dates)),
        "most of one date": str(most),
        **{f"{name} in train": str(count_shared(part, feature)) for name, feature in shared.items()},
        "action explained by tool": f"{share_explained(part.clips, 1, lambda clip: clip.triplet and clip.triplet[0]):.2f}",
        "action explained by date": f"{share_explained(part.clips, 1, recording_date):.2f}",
        "in TACO's train set": str(sum(clip.id in official_train() for clip in part.clips)),
    }


def object_columns(part: EvaluationPart, objects: Objects) -> dict[str, str]:
    """Return the columns on objects: clips whose objects are known, and how many of these have a tool, a target or a pair of objects of train."""
    known = EvaluationPart(
        part.name, *(tuple(clip for clip in clips if clip.id in objects) for clips in (part.clips, part.train))
    )
    return {
        "objects known": str(len(known.clips)),
        "tool object in train": str(count_shared(known, lambda clip: objects[clip.id][0])),
        "target object in train": str(count_shared(known, lambda clip: objects[clip.id][1])),
        "both objects in train": str(count_shared(known, lambda clip: objects[clip.id])),
    }


def camera_row(part: EvaluationPart) -> dict[str, str]:
    """Return the row of the table of cameras: the widest angles of clips' trios, and the number of clips of each camera."""
    angles = [widest_angle(clip.camera_ids) for clip in part.clips]
    clusters = zip(*(clip.camera_ids for clip in part.clips), strict=True)
    left, center, right = (
        ", ".join(f"{serial} {number}" for serial, number in sorted(Counter(serials).items())) for serials in clusters
    )
    return {
        "part": part.name,
        "clips": str(len(part.clips)),
        "median of widest angle": f"{median(angles):.0f}",
        "widest": f"{max(angles):.0f}",
        f"over {MAX_ANGLE:.0f}": str(sum(angle > MAX_ANGLE for angle in angles)),
        "over 90": str(sum(angle > 90 for angle in angles)),
        "trios": str(len({clip.camera_ids for clip in part.clips})),
        "left": left,
        "center": center,
        "right": right,
    }


def read_objects(root: Path) -> Objects:
    """Return the objects of the sequences of a TACO download, by the names of its files of poses, without sequences that lack one.

    Raises:
        FileNotFoundError: the folder has no object poses.
    """
    found = {}
    for key, sequence in TacoDownload(root).sequences.items():
        try:
            tool, target = (sequence.find_object_pose(role)[0] for role in OBJECT_ROLES)
        except (FileNotFoundError, ValueError):
            continue
        found[key] = (tool, target)
    return found


def format_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows with the same columns as a Markdown table."""
    lines: list[Iterable[str]] = [rows[0], ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the tables of the given splits, of the newest ones of TACO by default, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m splits.statistics", description=__doc__)
    parser.add_argument("splits", nargs="*", metavar="NAME@VERSION", help="default: the newest TACO splits")
    parser.add_argument("--root", type=Path, help="a TACO download, to compare objects")
    options = parser.parse_args(arguments)
    try:
        objects = None if options.root is None else read_objects(options.root)
        splits = [VersionedSplit(name) for name in options.splits or read_table().splits]
        parts = [part for split in splits for part in evaluation_parts(split)]
    except (FileNotFoundError, UnknownName) as error:
        parser.error(str(error))
    leaks = [leak_row(part) | ({} if objects is None else object_columns(part, objects)) for part in parts]
    sys.stdout.write(f"{format_table(leaks)}\n{format_table([camera_row(part) for part in parts])}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
