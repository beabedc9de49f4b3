import hashlib
import itertools
import os
import subprocess
import sys

import pytest

from hoibench.clip import CLUSTERS
from hoibench.datasets.split_files import SPLITS_FOLDER, VersionedSplit
from hoibench.datasets.synthetic.catalogue import catalogue
from hoibench.datasets.synthetic.world_frames import recording_dates
from hoibench.datasets.taco.rig import rig
from splits import make

HOW = {"generator": "me", "seed": None, "aliases": {}}
EVALUATION = ("val", "test_seen", "test_unseen")


@pytest.fixture(scope="module")
def splits():
    return VersionedSplit("synthetic@1")


@pytest.fixture(scope="module")
def parts(splits):
    return {part: splits.lines(part) for part in splits.parts}


def differing(folders):
    return [
        f"{name}/{file}"
        for name, made in folders.items()
        for file, content in made.items()
        if (SPLITS_FOLDER / name / file).read_bytes() != content
    ]


def test_the_shipped_synthetic_files_are_those_that_are_made_again():
    assert differing(make.synthetic_folders()) == []


@pytest.mark.field
def test_the_shipped_taco_files_are_those_that_the_official_lists_give(field_data):
    folders = make.taco_folders(field_data / "taco")
    assert len(folders) == 7
    assert make.check(folders) == 0
    assert [name for name in differing(folders) if not name.endswith("manifest.json")] == []


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "splits.make", *arguments],
        capture_output=True,
        text=True,
        env={**{k: v for k, v in os.environ.items() if k != "HOIBENCH_FIELD_DATA"}, **environment},
    )


def test_without_the_lists_check_covers_what_is_generated_and_says_what_is_not():
    done = run("--check")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("same") == 12
    assert "TACO's splits are left as they are: give --lists" in done.stderr


@pytest.mark.field
def test_with_the_lists_check_covers_every_shipped_file(field_data):
    done = run("--check", HOIBENCH_FIELD_DATA=str(field_data))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("same") == len(list(SPLITS_FOLDER.glob("*@*/*"))) == 12 + 5 * 4 + 2 * 6


@pytest.mark.parametrize("named", [True, False])
def test_the_lists_are_those_named_or_those_of_the_field_data(tmp_path, monkeypatch, named):
    monkeypatch.setenv("HOIBENCH_FIELD_DATA", str(tmp_path))
    (tmp_path / "taco").mkdir()
    taken = []
    monkeypatch.setattr(make, "synthetic_folders", dict)
    monkeypatch.setattr(make, "taco_folders", lambda lists: taken.append(lists) or {})
    assert make.main(["--check", *(["--lists", str(tmp_path / "own")] if named else [])]) == 0
    assert taken == [tmp_path / ("own" if named else "taco")]


def test_lists_that_are_not_there_are_an_error(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        make.main(["--check", "--lists", str(tmp_path)])
    assert caught.value.code == 2
    assert "v1_overall_data_sequences.txt is missing: download data_lists/" in capsys.readouterr().err


def test_check_fails_on_a_difference(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "SPLITS_FOLDER", tmp_path)
    folders = {"x@1": make.pack({"val": ()}, HOW)}
    assert make.check(folders) == 1
    assert make.write(folders) == 0
    assert make.check(folders) == 0
    (tmp_path / "x@1" / "val.jsonl").write_text("{}")
    assert make.check(folders) == 1


def test_a_broken_manifest_differs_and_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "SPLITS_FOLDER", tmp_path)
    folders = {"x@1": make.pack({"val": ()}, HOW)}
    make.write(folders)
    (tmp_path / "x@1" / "manifest.json").write_text("{")
    assert make.check(folders) == 1
    make.write(folders)
    assert make.check(folders) == 0


def test_only_the_versions_of_packages_may_be_others(tmp_path, monkeypatch):
    monkeypatch.setattr(make, "SPLITS_FOLDER", tmp_path)
    release = HOW | {"seed": 1, "made_with": {"scikit-learn": "1.9.1"}}
    make.write({"x@1": make.pack({"val": ()}, release)})
    later = release | {"made_with": {"scikit-learn": "99"}}
    assert make.check({"x@1": make.pack({"val": ()}, later)}) == 0
    assert make.check({"x@1": make.pack({"val": ()}, later | {"seed": 2})}) == 1


def test_sizes_and_ids(splits, parts):
    assert {part: len(lines) for part, lines in parts.items()} == {
        "train": 600,
        "val": 24,
        "test_seen": 24,
        "test_unseen": 24,
        "demo": 6,
        "test": 24,
    }
    for part in ("train", *EVALUATION, "demo"):
        data = (SPLITS_FOLDER / "synthetic@1" / f"{part}.jsonl").read_bytes()
        assert splits.manifest(part).split_id == hashlib.sha256(data).hexdigest()[:12]
        assert splits.manifest(part).split == f"synthetic@1/{part}"
    assert splits.manifest("test") == splits.manifest("test_seen")


def test_no_clip_is_in_two_parts_and_demo_is_of_test_seen(parts):
    ids = {part: {line.entry.id for line in parts[part]} for part in ("train", *EVALUATION)}
    for one, two in itertools.combinations(ids.values(), 2):
        assert not one & two
    assert all(line in parts["test_seen"] for line in parts["demo"])
    assert len({line.entry.triplet[1] for line in parts["demo"]}) == 6


def test_seeds_are_all_different(parts):
    seeds = [line.recipe["seed"] for part in ("train", *EVALUATION) for line in parts[part]]
    assert len(set(seeds)) == len(seeds)


def test_hammer_and_measure_are_held_out(parts):
    for part in ("train", "val", "test_seen"):
        for line in parts[part]:
            tool, action, _ = line.entry.triplet
            assert tool != "hammer"
            assert action != "measure"
            assert line.entry.tags == ()
    for line in parts["test_unseen"]:
        tool, action, _ = line.entry.triplet
        assert line.entry.tags == (("unseen_object",) if tool == "hammer" else ("unseen_action",))
        assert (tool == "hammer") != (action == "measure")
    assert {line.entry.tags for line in parts["test_unseen"]} == {("unseen_object",), ("unseen_action",)}


def test_each_evaluation_clip_has_its_own_pair_of_instances(parts):
    pairs = {part: [line.entry.instances for line in parts[part]] for part in ("train", *EVALUATION)}
    for part in EVALUATION:
        assert len(set(pairs[part])) == 24
        assert not set(pairs[part]) & set(pairs["train"])
    assert all(tool != target for part in pairs.values() for tool, target in part)


def test_what_is_seen_in_tests_is_in_train(parts):
    known = {line.entry.triplet for line in parts["train"]}
    for part in ("val", "test_seen"):
        assert {line.entry.triplet for line in parts[part]} <= known
        assert len({line.entry.triplet[1] for line in parts[part]}) == 13


def test_lines_hold_what_making_a_clip_takes(parts):
    for line in itertools.chain(*parts.values()):
        entry = line.entry
        tool, _, target = entry.triplet
        assert entry.triplet in catalogue().triplets
        assert entry.instances == (
            catalogue().object_id(tool, line.recipe["tool_instance"]),
            catalogue().object_id(target, line.recipe["target_instance"]),
        )
        assert tuple(rig().cluster(serial) for serial in entry.camera_ids) == CLUSTERS
        assert line.source not in entry.camera_ids


def test_every_part_has_clips_of_every_world_frame(parts):
    for lines in parts.values():
        assert {line.entry.id.partition("_")[0] for line in lines} == set(recording_dates())


def test_actions_are_even_in_evaluation(parts):
    for part in ("val", "test_seen"):
        counts = [sum(line.entry.triplet[1] == action for line in parts[part]) for action in _actions()]
        assert set(counts) <= {1, 2}


def _actions():
    return sorted(
        {
            action
            for tool, action, _ in catalogue().triplets
            if (tool, action) != ("hammer", "hit") and action != "measure"
        }
    )


def test_wide_shows_the_same_scenes_to_other_cameras(parts):
    wide = VersionedSplit("synthetic-wide@1")
    for part, lines in parts.items():
        for line, other in zip(lines, wide.lines(part), strict=True):
            assert (line.entry.id, line.recipe) == (other.entry.id, other.recipe)
            assert line.entry.camera_ids != other.entry.camera_ids
            assert [rig().cluster(serial) for serial in other.entry.camera_ids] == list(CLUSTERS)
            assert other.source not in other.entry.camera_ids
    assert len({line.entry.camera_ids for line in wide.lines("train")}) > 50
