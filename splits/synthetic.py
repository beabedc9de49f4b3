"""synthetic@1: which scenes are in train, val, test_seen, test_unseen and demo; synthetic-wide@1: the same scenes, seen by trios drawn at random.

Held out from everything but test_unseen are tool hammer and action measure, as in SyncMV4D's split of TACO (section 4.1).  No two clips of the
evaluation parts share their pair of object instances, since such pairs are the bootstrap's clusters, and no such pair is in train.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hoibench.clip import CLUSTERS
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.synthetic.cameras import SOURCE_CAMERA, TRIO
from hoibench.datasets.synthetic.catalogue import catalogue
from hoibench.datasets.synthetic.world_frames import recording_dates
from hoibench.datasets.taco.rig import rig

NAME = "synthetic@1"
WIDE_NAME = "synthetic-wide@1"
SEED = 154
ALIASES = {"test": "test_seen"}
SIZES = {"train": 600, "val": 24, "test_seen": 24, "test_unseen": 24}
UNSEEN_TOOL = "hammer"
UNSEEN_ACTION = "measure"
DEMO_ACTIONS = ("stir", "pour in some", "brush", "cut", "put in", "scrape off")

Triplet = tuple[str, str, str]
Pair = tuple[str, str]


def parts() -> dict[str, tuple[SplitLine, ...]]:
    """Part name -> its lines, sorted by id."""
    rng = np.random.default_rng(SEED)
    keys = _keys(rng)
    held_out = [t for t in catalogue().triplets if _tags(t)]
    seen = [t for t in catalogue().triplets if not _tags(t)]
    taken: set[Pair] = set()
    made = {
        "test_seen": _part(_by_action(seen, rng), SIZES["test_seen"], taken, True, keys, rng),
        "val": _part(_by_action(seen, rng), SIZES["val"], taken, True, keys, rng),
        "test_unseen": _part(_by_action(held_out, rng), SIZES["test_unseen"], taken, True, keys, rng),
        "train": _part(_in_turn(seen, rng), SIZES["train"], taken, False, keys, rng),
    }
    made["demo"] = tuple(_first_of_action(made["test_seen"], action) for action in DEMO_ACTIONS)
    order = (*SIZES, "demo")
    return {part: tuple(sorted(made[part], key=lambda line: line.entry.id)) for part in order}


def wide_parts() -> dict[str, tuple[SplitLine, ...]]:
    """The parts of synthetic-wide@1: each clip's cameras, one a cluster and a source outside them, drawn by its key alone."""
    return {part: tuple(_widened(line) for line in lines) for part, lines in parts().items()}


def _widened(line: SplitLine) -> SplitLine:
    rng = np.random.default_rng([SEED, *line.entry.id.encode()])
    cameras = rig().cameras
    trio = TRIO
    while trio == TRIO:  # a clip of both splits would not be two clips
        of_cluster = ([serial for serial in cameras if cameras[serial].cluster == name] for name in CLUSTERS)
        trio = tuple(str(rng.choice(serials)) for serials in of_cluster)
    source = str(rng.choice([serial for serial in cameras if serial not in trio]))
    return replace(line, entry=replace(line.entry, camera_ids=trio), source=source)


def _part(
    triplets: Iterator[Triplet],
    size: int,
    taken: set[Pair],
    distinct: bool,
    keys: Iterator[str],
    rng: np.random.Generator,
) -> tuple[SplitLine, ...]:
    lines: list[SplitLine] = []
    while len(lines) < size:
        triplet = next(triplets)
        tool, target = (int(n) for n in rng.integers(catalogue().instances, size=2))
        pair = (catalogue().object_id(triplet[0], tool), catalogue().object_id(triplet[2], target))
        if pair in taken or pair[0] == pair[1]:
            continue
        if distinct:
            taken.add(pair)
        recipe = {"tool_instance": tool, "target_instance": target, "seed": int(rng.integers(2**31))}
        entry = ClipEntry(next(keys), triplet, pair, TRIO, 0, _tags(triplet))
        lines.append(SplitLine(entry, SOURCE_CAMERA, recipe))
    return tuple(lines)


def _tags(triplet: Triplet) -> tuple[str, ...]:
    tool, action, _ = triplet
    unseen = {"unseen_object": tool == UNSEEN_TOOL, "unseen_action": action == UNSEEN_ACTION}
    return tuple(tag for tag, holds in unseen.items() if holds)


def _by_action(triplets: list[Triplet], rng: np.random.Generator) -> Iterator[Triplet]:
    """Triplets for ever, the actions in turn, so that each is equally often drawn."""
    actions = sorted({action for _, action, _ in triplets})
    while True:
        for action in actions:
            choices = [t for t in triplets if t[1] == action]
            yield choices[rng.integers(len(choices))]


def _in_turn(triplets: list[Triplet], rng: np.random.Generator) -> Iterator[Triplet]:
    """Triplets for ever, each once before any comes again."""
    while True:
        for index in rng.permutation(len(triplets)):
            yield triplets[index]


def _keys(rng: np.random.Generator) -> Iterator[str]:
    """Sequence keys in random order, as many on each date, so that every part has clips of every world frame."""
    per_date = -(-sum(SIZES.values()) // len(recording_dates()))
    keys = [f"{date}_{number:03d}" for date in recording_dates() for number in range(1, per_date + 1)]
    return (keys[index] for index in rng.permutation(len(keys)))


def _first_of_action(lines: tuple[SplitLine, ...], action: str) -> SplitLine:
    return next(line for line in lines if line.entry.triplet is not None and line.entry.triplet[1] == action)
