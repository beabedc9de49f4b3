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
from splits import generate

HOW = {"generator": "me", "seed": None, "aliases": {}}
EVALUATION = ("val", "test_seen", "test_unseen")


@pytest.fixture(scope="module")
def splits():
    return VersionedSplit("synthetic@2")


@pytest.fixture(scope="module")
def parts(splits):
    return {part: splits.lines(part) for part in splits.parts}


def differing(folders):
    return [
        f"{name}/{file}"
        for name, files in folders.items()
        for file, content in files.items()
        if (SPLITS_FOLDER / name / file).read_bytes() != content
    ]


def test_generating_the_synthetic_splits_reproduces_the_shipped_files():
    assert differing(generate.synthetic_folders()) == []


@pytest.mark.field
def test_generating_the_taco_splits_reproduces_the_shipped_files(field_data):
    folders = generate.taco_folders(field_data / "taco")
    assert len(folders) == 7
    assert generate.check_folders(folders) == 0
    assert [name for name in differing(folders) if not name.endswith("manifest.json")] == []


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "splits.generate", *arguments],
        capture_output=True,
        text=True,
        env={**{k: v for k, v in os.environ.items() if k != "HOIBENCH_FIELD_DATA"}, **environment},
    )


def test_check_without_the_lists_skips_taco():
    done = run("--check")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("same") == 16
    assert "Skipped the splits of TACO: give --lists" in done.stderr


@pytest.mark.field
def test_check_with_the_lists_covers_every_file_of_the_newest_versions(field_data):
    done = run("--check", HOIBENCH_FIELD_DATA=str(field_data))
    assert done.returncode == 0, done.stderr
    earlier = set(SPLITS_FOLDER.glob("taco-*@1/*"))
    assert done.stderr.count("same") == len(set(SPLITS_FOLDER.glob("*@*/*")) - earlier) == 16 + 5 * 4 + 2 * 6


@pytest.mark.parametrize("named", [True, False])
def test_the_lists_are_given_or_those_of_the_field_data(tmp_path, monkeypatch, named):
    monkeypatch.setenv("HOIBENCH_FIELD_DATA", str(tmp_path))
    (tmp_path / "taco").mkdir()
    used = []
    monkeypatch.setattr(generate, "synthetic_folders", dict)
    monkeypatch.setattr(generate, "taco_folders", lambda lists: used.append(lists) or {})
    assert generate.main(["--check", *(["--lists", str(tmp_path / "own")] if named else [])]) == 0
    assert used == [tmp_path / ("own" if named else "taco")]


def test_missing_lists_are_an_error(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        generate.main(["--check", "--lists", str(tmp_path)])
    assert caught.value.code == 2
    assert "v1_overall_data_sequences.txt is missing: download data_lists/" in capsys.readouterr().err


def test_check_fails_on_a_difference(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "SPLITS_FOLDER", tmp_path)
    folders = {"x@1": generate.build_folder({"val": ()}, HOW)}
    assert generate.check_folders(folders) == 1
    assert generate.write_folders(folders) == 0
    assert generate.check_folders(folders) == 0
    (tmp_path / "x@1" / "val.jsonl").write_text("{}")
    assert generate.check_folders(folders) == 1


def test_a_damaged_manifest_differs_and_is_written_again(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "SPLITS_FOLDER", tmp_path)
    folders = {"x@1": generate.build_folder({"val": ()}, HOW)}
    generate.write_folders(folders)
    (tmp_path / "x@1" / "manifest.json").write_text("{")
    assert generate.check_folders(folders) == 1
    generate.write_folders(folders)
    assert generate.check_folders(folders) == 0


def test_sizes_and_ids(splits, parts):
    assert {part: len(lines) for part, lines in parts.items()} == {
        "train": 600,
        "val": 24,
        "test_seen": 24,
        "test_unseen": 24,
        "demo": 6,
        "train_large": 1900,
        "test": 24,
    }
    for part in ("train", *EVALUATION, "demo", "train_large"):
        data = (SPLITS_FOLDER / "synthetic@2" / f"{part}.jsonl").read_bytes()
        assert splits.manifest(part).split_id == hashlib.sha256(data).hexdigest()[:12]
        assert splits.manifest(part).split == f"synthetic@2/{part}"
    assert splits.manifest("test") == splits.manifest("test_seen")


def test_no_clip_is_in_two_parts_and_demo_is_of_test_seen(parts):
    ids = {part: {line.entry.id for line in parts[part]} for part in ("train_large", *EVALUATION)}
    for one, two in itertools.combinations(ids.values(), 2):
        assert not one & two
    assert all(line in parts["test_seen"] for line in parts["demo"])
    assert {line.entry.id for line in parts["train"]} < ids["train_large"]
    assert len({line.entry.triplet[1] for line in parts["demo"]}) == 6


def test_seeds_are_all_different(parts):
    seeds = [line.recipe["seed"] for part in ("train_large", *EVALUATION) for line in parts[part]]
    assert len(set(seeds)) == len(seeds)


def test_hammer_and_measure_are_held_out(parts):
    for part in ("train_large", "val", "test_seen"):
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
    pairs = {part: [line.entry.instances for line in parts[part]] for part in ("train_large", *EVALUATION)}
    for part in EVALUATION:
        assert len(set(pairs[part])) == 24
        assert not set(pairs[part]) & set(pairs["train_large"])
    assert all(tool != target for part in pairs.values() for tool, target in part)


def test_seen_triplets_of_evaluation_are_in_train(parts):
    known = {line.entry.triplet for line in parts["train"]}
    for part in ("val", "test_seen"):
        assert {line.entry.triplet for line in parts[part]} <= known
        assert len({line.entry.triplet[1] for line in parts[part]}) == 13


def test_lines_have_valid_recipes_and_cameras(parts):
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


def test_wide_has_the_same_scenes_with_other_cameras(parts):
    wide = VersionedSplit("synthetic-wide@2")
    for part in wide.parts:
        for line, other in zip(parts[part], wide.lines(part), strict=True):
            assert (line.entry.id, line.recipe) == (other.entry.id, other.recipe)
            assert line.entry.camera_ids != other.entry.camera_ids
            assert [rig().cluster(serial) for serial in other.entry.camera_ids] == list(CLUSTERS)
            assert other.source not in other.entry.camera_ids
    assert len({line.entry.camera_ids for line in wide.lines("train")}) > 50


def test_reach_has_every_kind_of_change_in_other_clips(parts):
    reach = VersionedSplit("synthetic-reach@1")
    test, demo = reach.lines("test"), reach.lines("demo")
    kinds = [(*line.recipe["hands"], line.recipe["change"]) for line in test]
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(kinds, 4)
    assert len(kinds) == 24
    assert {(*line.recipe["hands"], line.recipe["change"]) for line in demo} == set(kinds)
    assert len(demo) == 6
    assert all(line in test for line in demo)
    others = [line for lines in parts.values() for line in lines]
    for get in (lambda line: line.entry.id, lambda line: line.entry.instances, lambda line: line.recipe["seed"]):
        assert not {get(line) for line in test} & {get(line) for line in others}
    assert {line.entry.triplet for line in test} <= {line.entry.triplet for line in parts["train"]}
    assert {key for line in test for key in line.recipe} == reach.release.recipe.keys()
