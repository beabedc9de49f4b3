"""Generate the splits of synthetic clips.

synthetic@2 has the parts train, val, test_seen, test_unseen, demo (six clips of test_seen), and train_large (train and 1,300 more clips);
synthetic-wide@2 has the same scenes with randomly drawn cameras, without train_large.  For synthetic-reach@1, see ``splits.synthetic_reach``.

Only test_unseen has the tool hammer and the action measure, as in SyncMV4D's split of TACO (section 4.1).  Each clip of val, test_seen and
test_unseen has a pair of object instances of its own, which does not occur in train.
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
from hoibench.datasets.taco.download import Triplet
from hoibench.datasets.taco.rig import rig

NAME = "synthetic@2"
WIDE_NAME = "synthetic-wide@2"
SEED = 154
ALIASES = {"test": "test_seen"}
SIZES = {"train": 600, "val": 24, "test_seen": 24, "test_unseen": 24}
LARGE_SIZE = 1900
"""Number of clips of train_large; keys have room for 999 clips of a recording date."""

UNSEEN_TOOL = "hammer"
UNSEEN_ACTION = "measure"
DEMO_ACTIONS = ("stir", "pour in some", "brush", "cut", "put in", "scrape off")

Pair = tuple[str, str]


def parts() -> dict[str, tuple[SplitLine, ...]]:
    """Return the clips of synthetic@2: part -> its clips, sorted by id."""
    rng = np.random.default_rng(SEED)
    per_date = -(-sum(SIZES.values()) // len(recording_dates()))
    keys = draw_keys(rng, range(1, per_date + 1))
    held_out = [t for t in catalogue().triplets if _tags(t)]
    seen = seen_triplets()
    used_pairs: set[Pair] = set()
    rounds = _in_rounds(seen, rng)
    lines = {
        "test_seen": draw_part(_balanced_by_action(seen, rng), SIZES["test_seen"], used_pairs, True, keys, rng),
        "val": draw_part(_balanced_by_action(seen, rng), SIZES["val"], used_pairs, True, keys, rng),
        "test_unseen": draw_part(_balanced_by_action(held_out, rng), SIZES["test_unseen"], used_pairs, True, keys, rng),
        "train": draw_part(rounds, SIZES["train"], used_pairs, False, keys, rng),
    }
    lines["demo"] = tuple(_first_of_action(lines["test_seen"], action) for action in DEMO_ACTIONS)
    # Drawn last, with new keys, so that the other parts do not depend on its size.
    keys = draw_keys(
        rng, range(per_date + 1, per_date + 1 + -(-(LARGE_SIZE - SIZES["train"]) // len(recording_dates())))
    )
    more = draw_part(rounds, LARGE_SIZE - SIZES["train"], used_pairs, False, keys, rng)
    lines["train_large"] = lines["train"] + more
    order = (*SIZES, "demo", "train_large")
    return {part: tuple(sorted(lines[part], key=lambda line: line.entry.id)) for part in order}


def seen_triplets() -> list[Triplet]:
    """Return the (tool, action, target) that train and test_seen are drawn from."""
    return [t for t in catalogue().triplets if not _tags(t)]


def wide_parts() -> dict[str, tuple[SplitLine, ...]]:
    """Return the clips of synthetic-wide@2: part -> clips of synthetic@2, with cameras that depend on the clip's id alone.

    Each clip has one randomly drawn camera per side of the rig, and a source camera for video-to-video methods.
    """
    return {
        part: tuple(_with_random_cameras(line) for line in lines)
        for part, lines in parts().items()
        if part != "train_large"
    }


def _with_random_cameras(line: SplitLine) -> SplitLine:
    rng = np.random.default_rng([SEED, *line.entry.id.encode()])
    cameras = rig().cameras
    trio = TRIO
    while trio == TRIO:  # clips of the two splits must differ
        of_cluster = ([serial for serial in cameras if cameras[serial].cluster == name] for name in CLUSTERS)
        trio = tuple(str(rng.choice(serials)) for serials in of_cluster)
    source = str(rng.choice([serial for serial in cameras if serial not in trio]))
    return replace(line, entry=replace(line.entry, camera_ids=trio), source=source)


def draw_part(
    triplets: Iterator[Triplet],
    size: int,
    used_pairs: set[Pair],
    is_evaluation: bool,
    keys: Iterator[str],
    rng: np.random.Generator,
) -> tuple[SplitLine, ...]:
    """Draw ``size`` clips with triplets and ids of the iterators, without the pairs of object instances in ``used_pairs``."""
    lines: list[SplitLine] = []
    while len(lines) < size:
        triplet = next(triplets)
        tool, target = (int(n) for n in rng.integers(catalogue().instances, size=2))
        pair = (catalogue().object_id(triplet[0], tool), catalogue().object_id(triplet[2], target))
        if pair in used_pairs or pair[0] == pair[1]:
            continue
        if is_evaluation:
            used_pairs.add(pair)
        recipe = {"tool_instance": tool, "target_instance": target, "seed": int(rng.integers(2**31))}
        entry = ClipEntry(next(keys), triplet, pair, TRIO, 0, _tags(triplet))
        lines.append(SplitLine(entry, SOURCE_CAMERA, recipe))
    return tuple(lines)


def _tags(triplet: Triplet) -> tuple[str, ...]:
    tool, action, _ = triplet
    unseen = {"unseen_object": tool == UNSEEN_TOOL, "unseen_action": action == UNSEEN_ACTION}
    return tuple(tag for tag, applies in unseen.items() if applies)


def _balanced_by_action(triplets: list[Triplet], rng: np.random.Generator) -> Iterator[Triplet]:
    """Yield randomly drawn (tool, action, target) triplets forever, cycling through the actions."""
    actions = sorted({action for _, action, _ in triplets})
    while True:
        for action in actions:
            choices = [t for t in triplets if t[1] == action]
            yield choices[rng.integers(len(choices))]


def _in_rounds(triplets: list[Triplet], rng: np.random.Generator) -> Iterator[Triplet]:
    """Yield (tool, action, target) triplets forever: all in random order, then all in another random order, and so on."""
    while True:
        for index in rng.permutation(len(triplets)):
            yield triplets[index]


def draw_keys(rng: np.random.Generator, numbers: range) -> Iterator[str]:
    """Return an iterator over sequence keys YYYYMMDD_NNN in random order, the same numbers for each date, so that every part has all world frames."""
    keys = [f"{date}_{number:03d}" for date in recording_dates() for number in numbers]
    return (keys[index] for index in rng.permutation(len(keys)))


def _first_of_action(lines: tuple[SplitLine, ...], action: str) -> SplitLine:
    return next(line for line in lines if line.entry.triplet is not None and line.entry.triplet[1] == action)
