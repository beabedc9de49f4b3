import hashlib
import itertools
from collections import Counter

import pytest
from scipy.stats import binomtest, chisquare

from hoibench.clip import CLUSTERS
from hoibench.datasets.split_files import SPLITS_FOLDER, VersionedSplit, parse_lines
from hoibench.datasets.taco.rig import rig
from splits.taco_cameras import admissible_trios, widest_angle
from splits.taco_lists import read_lists, released_lists

COUNTS = {
    "taco-syncmv4d@2": {"train": 1999, "val": 234, "test_unseen": 84},
    "taco-syncmv4d-frame0@2": {"train": 1999, "val": 234, "test_unseen": 84},
    "taco-syncmv4d-marker-removed@2": {"train": 1830, "val": 212, "test_unseen": 78},
    "taco-disentangled@2": {"train": 1844, "val": 228, "test_unseen": 158 + 87},
    "taco-disentangled-marker-removed@2": {"train": 1684, "val": 206, "test_unseen": 230},
    "taco-official@2": {"train": 953, "test_1": 225, "test_2": 234, "test_3": 354, "test_4": 551},
    "taco-official-marker-removed@2": {"train": 840, "test_1": 215, "test_2": 221, "test_3": 331, "test_4": 513},
}
HELD_OUT = {"taco-syncmv4d@2": ("hammer", "measure", 23, 61), "taco-disentangled@2": ("eraser", "stir", 158, 87)}
VARIANTS = [
    ("taco-syncmv4d@2", "taco-syncmv4d-marker-removed@2"),
    ("taco-syncmv4d@2", "taco-syncmv4d-frame0@2"),
    ("taco-disentangled@2", "taco-disentangled-marker-removed@2"),
    ("taco-official@2", "taco-official-marker-removed@2"),
]
OFFICIAL = {"official_train", "official_test"}


@pytest.fixture(scope="module")
def lines():
    """Split -> part -> lines, each read once."""
    return {name: {part: VersionedSplit(name).lines(part) for part in parts} for name, parts in COUNTS.items()}


def places(parts):
    return {line.entry.id: part for part, lines in parts.items() for line in lines}


def test_every_taco_split_is_shipped_in_both_versions():
    names = {name.removesuffix("@2") for name in COUNTS}
    assert {path.name for path in SPLITS_FOLDER.glob("taco*@*")} == {f"{name}@{n}" for name in names for n in (1, 2)}


@pytest.mark.parametrize("name", COUNTS)
def test_the_two_versions_differ_in_val_and_cameras_only(name, lines):
    earlier = VersionedSplit(name.replace("@2", "@1"))
    places_then = {line.entry.id: part for part in earlier.release.files for line in earlier.lines(part)}
    places_now = places(lines[name])
    assert places_then.keys() == places_now.keys()
    for key, part in places_now.items():
        assert part == places_then[key] or {part, places_then[key]} == {"train", "val"}


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name, lines):
    assert {part: len(found) for part, found in lines[name].items()} == COUNTS[name]
    assert VersionedSplit(name).release.counts == COUNTS[name]
    total = 2120 if "marker-removed" in name else 2317
    assert len(places(lines[name])) == sum(COUNTS[name].values()) == total, "a sequence is in two parts"


@pytest.mark.parametrize("name", [*COUNTS, *(name.replace("@2", "@1") for name in COUNTS)])
def test_every_file_has_its_recorded_hash_and_there_are_no_others(name):
    release = VersionedSplit(name).release
    found = {
        path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in (SPLITS_FOLDER / name).glob("*.jsonl")
    }
    assert found == release.files
    assert {path.name for path in (SPLITS_FOLDER / name).iterdir()} == {"manifest.json", *(f"{p}.jsonl" for p in found)}


@pytest.mark.parametrize("name", COUNTS)
def test_files_are_sorted_and_compact(name):
    for path in (SPLITS_FOLDER / name).glob("*.jsonl"):
        data = path.read_bytes()
        ids = [line.entry.id for line in parse_lines(data, path.name)]
        assert ids == sorted(set(ids))
        assert b'": ' not in data


def test_aliases():
    for name in COUNTS:
        aliases = VersionedSplit(name).release.aliases
        assert aliases == (
            {"S1": "test_1", "S2": "test_2", "S3": "test_3", "S4": "test_4"}
            if "official" in name
            else {"test": "test_unseen"}
        )
    assert VersionedSplit("taco-official@2").manifest("S3") == VersionedSplit("taco-official@2").manifest("test_3")


@pytest.mark.parametrize("name", HELD_OUT)
def test_held_out_sequences_are_tagged_and_in_no_other_part(name, lines):
    tool, action, with_tool, with_action = HELD_OUT[name]
    unseen = lines[name]["test_unseen"]
    assert Counter(tuple(tag for tag in line.entry.tags if tag not in OFFICIAL) for line in unseen) == {
        ("unseen_object",): with_tool,
        ("unseen_action",): with_action,
    }
    for line in unseen:
        assert (line.entry.triplet[0] == tool) == ("unseen_object" in line.entry.tags)
        assert (line.entry.triplet[1] == action) == ("unseen_action" in line.entry.tags)
    for line in (*lines[name]["train"], *lines[name]["val"]):
        assert line.entry.triplet[0] != tool
        assert line.entry.triplet[1] != action
        assert set(line.entry.tags) <= OFFICIAL


@pytest.mark.parametrize("name", HELD_OUT)
def test_a_tag_says_whether_a_clip_is_in_tacos_train_set(name, lines):
    official = places(lines["taco-official@2"])
    for line in itertools.chain(*lines[name].values()):
        assert OFFICIAL & {*line.entry.tags} == {f"official_{official[line.entry.id].partition('_')[0]}"}


def test_only_the_disentangled_split_separates_object_from_action(lines):
    """Held-out tools' actions, and held-out actions' tools, are known from train; in the paper's split neither is."""
    for name, separated in (("taco-disentangled@2", True), ("taco-syncmv4d@2", False)):
        known = lines[name]["train"]
        tools = {line.entry.triplet[0] for line in known}
        actions = {line.entry.triplet[1] for line in known}
        for line in lines[name]["test_unseen"]:
            tool, action, _ = line.entry.triplet
            partner = action in actions if "unseen_object" in line.entry.tags else tool in tools
            assert partner == separated


@pytest.mark.parametrize("name", HELD_OUT)
def test_val_is_a_tenth_of_the_sequences_that_are_not_held_out(name, lines):
    val, train = (len(lines[name][part]) for part in ("val", "train"))
    assert binomtest(val, val + train, 0.1).pvalue > 0.01


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_variants_keep_every_sequence_in_its_part_and_its_cameras(name, variant, lines):
    whole = {part: {line.entry.id: line for line in found} for part, found in lines[name].items()}
    recipes = set()
    for part, found in lines[variant].items():
        for line in found:
            same = whole[part][line.entry.id]
            assert line.entry == same.entry
            assert line.source == same.source
            recipes.add((tuple(same.recipe.items()), tuple(line.recipe.items())))
        assert VersionedSplit(name).manifest(part).split_id != VersionedSplit(variant).manifest(part).split_id
    [(one, other)] = recipes
    assert one == (("crop", "clip"), ("video", "raw"))
    assert other == (
        (("crop", "frame0"), ("video", "raw"))
        if "frame0" in variant
        else (("crop", "clip"), ("video", "marker-removed"))
    )


def test_a_sequence_has_the_same_cameras_in_all_splits(lines):
    cameras = {}
    for line in itertools.chain(*(found for parts in lines.values() for found in parts.values())):
        assert cameras.setdefault(line.entry.id, (line.entry.camera_ids, line.source)) == (
            line.entry.camera_ids,
            line.source,
        )
        assert tuple(rig().cluster(serial) for serial in line.entry.camera_ids) == CLUSTERS
        assert line.source in rig().cameras
        assert widest_angle(line.entry.camera_ids) <= 75
        assert line.source not in line.entry.camera_ids
        assert line.entry.start == 0
        assert line.entry.instances is None
    assert len(cameras) == 2317


@pytest.mark.parametrize("name", COUNTS)
def test_cameras_of_a_cluster_are_equally_frequent_in_each_part_for_evaluation(name, lines):
    usable = [{trio[view] for trio in admissible_trios()} for view in range(3)]
    assert [len(serials) for serials in usable] == [3, 4, 3]
    for part in lines[name].keys() - {"train"}:
        for view, serials in enumerate(usable):
            counts = Counter(line.entry.camera_ids[view] for line in lines[name][part])
            assert counts.keys() == serials
            assert max(counts.values()) - min(counts.values()) <= 1, (part, counts)


def test_train_has_all_usable_cameras_equally_often(lines):
    """By a chi-square test that refuses one even draw in a thousand."""
    for name in COUNTS:
        for view in range(3):
            counts = Counter(line.entry.camera_ids[view] for line in lines[name]["train"])
            assert chisquare(list(counts.values())).pvalue > 1e-3
        sources = Counter(line.source for line in lines[name]["train"])
        assert sources.keys() == rig().cameras.keys()


def test_every_tag_and_recipe_is_explained(lines):
    for name, parts in lines.items():
        release = VersionedSplit(name).release
        found = list(itertools.chain(*parts.values()))
        assert {tag for line in found for tag in line.entry.tags} == release.tags.keys()
        for field, value in found[0].recipe.items():
            assert release.recipe[field].startswith(f"{value}: ")
        assert "CC BY 4.0" in release.credit
        assert ('h("<id>/val")' in release.membership) == ("official" not in name)
        assert release.seed is None
    assert (
        VersionedSplit("taco-syncmv4d@2").release.tags["unseen_object"]
        == "tool hammer is held out (SyncMV4D, section 4.1)"
    )


def test_official_tags_are_those_of_the_part(lines):
    tags = {part: {line.entry.tags for line in found} for part, found in lines["taco-official@2"].items()}
    assert tags == {
        "train": {()},
        "test_1": {()},
        "test_2": {("geometry",)},
        "test_3": {("interaction",)},
        "test_4": {("compound",)},
    }


@pytest.mark.field
def test_the_lists_count_the_same(field_data, lines):
    lists = read_lists(field_data / "taco")
    assert lists == released_lists()
    assert len(lists.triplets) == 2317
    assert len(set(lists.triplets.values())) == 151
    assert Counter(lists.parts.values()) == COUNTS["taco-official@2"]
    assert places(lines["taco-official@2"]) == lists.parts
    assert Counter(lists.parts[key] for key in lists.marker_removed) == COUNTS["taco-official-marker-removed@2"]
    for name, (tool, action, with_tool, with_action) in HELD_OUT.items():
        tools = {key for key, triplet in lists.triplets.items() if triplet[0] == tool}
        actions = {key for key, triplet in lists.triplets.items() if triplet[1] == action}
        assert (len(tools), len(actions), len(tools & actions)) == (with_tool, with_action, 0)
        assert {line.entry.id for line in lines[name]["test_unseen"]} == tools | actions
    for name, parts in lines.items():
        wanted = lists.marker_removed if "marker-removed" in name else lists.triplets.keys()
        assert places(parts).keys() == wanted
        for found in parts.values():
            assert all(line.entry.triplet == lists.triplets[line.entry.id] for line in found)
        recorded = VersionedSplit(name).release.made_from
        assert {
            file: hashlib.sha256((field_data / "taco" / file).read_bytes()).hexdigest() for file in recorded
        } == recorded
