import csv
import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import taco_faults
import taco_tree

from hoibench.datasets.taco import layout
from hoibench.datasets.taco.inventory.index import index_tree, read_index, write_index
from hoibench.datasets.taco.inventory.index_record import Record
from hoibench.datasets.taco.layout import Tree

POUR, HIT, MEASURE, SHORT = (shoot.key for shoot in taco_tree.PLAN)
KEYS = sorted((POUR, HIT, MEASURE, SHORT))


@pytest.fixture(scope="module")
def records(taco):
    return index_tree(taco.tree)


def record_of(tree, key=POUR, **options) -> Record:
    return {record.key: record for record in index_tree(Tree(tree.root), **options)}[key]


def test_one_record_a_sequence_sorted_by_key(taco, records):
    assert [record.key for record in records] == KEYS
    for record in records:
        shoot = taco.written[record.key].shoot
        scene = taco.written[record.key].scene
        assert record.triplet == shoot.triplet
        assert record.frames == shoot.frames
        assert record.objects == {"tool": scene.tool.id, "target": scene.target.id}
        assert record.videos == {
            "raw": tuple(sorted(shoot.serials)),
            "marker-removed": tuple(sorted(shoot.marker_removed)),
        }
        assert set(record.cameras) == set(taco_tree.TWELVE)
        assert record.problems == ()
        assert record.hands == {}
        assert (record.calib_status, record.calib_bad_cams) == (None, ())
        assert (layout.MARKER_REMOVED in record.modalities) == bool(shoot.marker_removed)
        assert {layout.RGB, layout.CAMERAS, layout.HANDS, layout.POSES, "Egocentric_RGB_Videos"} <= set(
            record.modalities
        )


def test_a_pose_digest_is_that_of_the_values(taco, records):
    _, path = taco.sequence(POUR).object_pose("tool")
    [record] = [record for record in records if record.key == POUR]
    assert record.poses["tool"] == hashlib.sha256(np.load(path).astype("<f4").tobytes()).hexdigest()
    assert len({digest for other in records for digest in other.poses.values()}) == 8


def test_progress_is_told(taco):
    told = []
    index_tree(taco.tree, lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_hands_are_fingerprinted_when_asked_however_they_are_pickled(taco):
    records = {record.key: record for record in index_tree(taco.tree, hands=True)}
    assert all(set(record.hands) == {"left", "right"} for record in records.values())
    assert len({digest for record in records.values() for digest in record.hands.values()}) == 8


def test_videos_are_not_read(taco_copy):
    before = index_tree(taco_copy.tree)
    taco_faults.empty_video(taco_copy, POUR, taco_tree.FOUR[0])
    assert index_tree(taco_copy.tree) == before


def test_it_is_written_and_read_back(records, tmp_path):
    write_index(records, tmp_path / "index")
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == ["objects.csv", "sequences.jsonl"]
    assert read_index(tmp_path / "index") == records
    assert read_index(tmp_path / "index" / "sequences.jsonl") == records
    with (tmp_path / "index" / "objects.csv").open(newline="") as stream:
        rows = {row["object"]: row for row in csv.DictReader(stream)}
    ids = {object_id for record in records for object_id in record.objects.values()}
    assert set(rows) == ids
    for record in records:
        for role, category in (("tool", record.triplet[0]), ("target", record.triplet[2])):
            row = rows[record.objects[role]]
            assert row["category"] == category
            assert role in row["roles"].split(";")
            assert row["also"] == ""


# Broken sequences.


def without(record, *fields):
    return {name: value for name, value in vars(record).items() if name not in (*fields, "problems")}


@pytest.mark.parametrize(
    ("fault", "lost", "problem"),
    [
        (lambda t: taco_faults.garble_calibration(t, POUR), ["cameras"], "calibration.json is not JSON"),
        (lambda t: taco_faults.wrong_K(t, POUR), ["cameras"], "calibration.json: camera 21218078: "),
        (lambda t: taco_faults.non_rigid_pose(t, POUR), ["poses"], "npy: frame 3 is no rigid pose"),
        (lambda t: taco_faults.no_pose_at_all(t, POUR), ["poses"], "none of its 209 rows was recorded"),
        (lambda t: taco_faults.cut_poses(t, POUR), ["poses"], "is not a whole npy file"),
        (
            lambda t: taco_faults.frame_counts(t, POUR),
            ["poses"],
            "the last frame of the tool is 209, that of the target 208",
        ),
        (lambda t: taco_faults.drop_file(t, POUR, layout.CAMERAS, "calibration.json"), ["cameras", "modalities"], None),
    ],
)
def test_a_broken_sequence_is_a_record_with_its_reason(taco_copy, records, fault, lost, problem):
    path = fault(taco_copy)
    found = index_tree(Tree(taco_copy.root))
    [whole] = [record for record in records if record.key == POUR]
    [broken] = [record for record in found if record.key == POUR]
    assert [r for r in found if r.key != POUR] == [r for r in records if r.key != POUR]
    assert without(broken, *lost) == without(whole, *lost)
    assert all(getattr(broken, name) != getattr(whole, name) for name in lost)
    if problem is None:
        assert broken.problems == ()
    else:
        [said] = broken.problems
        assert problem in said
        assert str(taco_copy.root) not in said
        if "that of the target" not in problem:
            assert path.relative_to(taco_copy.root).as_posix() in said


def test_hands_that_cannot_be_read_are_problems(taco_copy):
    taco_faults.forbidden_pickle(taco_copy, POUR, "left")
    taco_faults.short_hand(taco_copy, POUR, "right")
    record = record_of(taco_copy, hands=True)
    assert list(record.hands) == ["right"]
    assert any("left_hand.pkl" in problem and "not allowed" in problem for problem in record.problems)
    assert "the last frame of the right hand is 206, that of the objects 209" in record.problems
    assert record_of(taco_copy).problems == ()


def test_what_was_not_downloaded_is_no_problem(taco_copy):
    taco_faults.drop_modality(taco_copy, layout.CAMERAS)
    taco_faults.drop_modality(taco_copy, layout.HANDS)
    record = record_of(taco_copy, hands=True)
    assert record.problems == ()
    assert record.cameras == record.hands == {}
    assert len(record.poses) == 2


def test_a_sequence_without_poses_is_there_too(taco_copy):
    shutil.rmtree(taco_copy.sequence(HIT).folder(layout.POSES))
    record = record_of(taco_copy, HIT)
    assert record.frames is None
    assert record.objects == record.poses == {}
    assert record.videos["raw"]
    assert record.problems == ()


def test_one_object_without_poses_is_a_problem(taco_copy):
    _, path = taco_copy.sequence(HIT).object_pose("tool")
    path.unlink()
    record = record_of(taco_copy, HIT)
    assert record.frames == 181
    assert list(record.objects) == ["target"]
    assert "holds no tool_<id>.npy" in record.problems[0]


def test_folders_that_disagree_on_the_triplet_are_a_problem(taco_copy):
    old = taco_copy.sequence(HIT).folder(layout.RGB)
    new = old.parent.parent / "(hit, hammer, box)" / HIT
    new.parent.mkdir()
    old.rename(new)
    record = record_of(taco_copy, HIT)
    assert record.triplet == ("hammer", "hit", "toy")
    [problem] = record.problems
    assert problem == f"its triplet is ('hammer', 'hit', 'toy'), but ('hammer', 'hit', 'box') in {layout.RGB}"


def test_a_zip_unpacked_into_its_own_folder_changes_nothing(taco_copy, records):
    taco_faults.nest(taco_copy, layout.POSES)
    taco_faults.nest(taco_copy, layout.CAMERAS)
    assert index_tree(Tree(taco_copy.root)) == records


def test_an_error_that_nobody_foresaw_is_a_problem_too(taco, monkeypatch):
    def fail(path):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("hoibench.datasets.taco.inventory.index.read_calibration", fail)
    assert record_of(taco).problems == ("ZeroDivisionError: oh",)


# The mirror's table.


def test_the_mirrors_reviews_are_carried(taco_copy):
    taco_faults.bad_calibration_status(taco_copy, POUR, "bad_hand_pose", ("22139905", "22139910"))
    found = {record.key: record for record in index_tree(Tree(taco_copy.root))}
    assert (found[POUR].calib_status, found[POUR].calib_bad_cams) == ("bad_hand_pose", ("22139905", "22139910"))
    assert (found[HIT].calib_status, found[HIT].calib_bad_cams) == ("good", ())


# Index files from strangers.

GOOD = Record("20230927_001", ("t", "a", "o")).to_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extra": 1}, "its keys are"),
        ({"key": 3}, "key must be a string"),
        ({"triplet": ["a"]}, "key must be a string and triplet three"),
        ({"triplet": "abc"}, "is no list of strings"),
        ({"calib_status": 1}, "calib_status a string or null"),
        ({"videos": []}, "is no object"),
        ({"videos": {"raw": [1]}}, "is no list of strings"),
        ({"fingerprint": {}}, "its keys are"),
        ({"fingerprint": {**GOOD["fingerprint"], "frames": "9"}}, "frames must be an integer"),
        ({"fingerprint": {**GOOD["fingerprint"], "cameras": {"1": {}}}}, "its keys are"),
        (
            {
                "fingerprint": {
                    **GOOD["fingerprint"],
                    "cameras": {"1": {"intrinsics": [1], "rotation": [], "centre": []}},
                }
            },
            "is no list of 4 numbers",
        ),
    ],
)
def test_a_line_that_is_no_record_is_named(tmp_path, changes, message):
    path = tmp_path / "sequences.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps({**GOOD, "key": "20230927_002", **changes}) + "\n")
    with pytest.raises(ValueError) as caught:
        read_index(path)
    assert f"{path}, line 2 is no record of an index: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("line", [b"", b"{", b"\xff", b"[]", b"null", b"[" * 100_000])
def test_a_line_that_is_no_json_object_is_named(tmp_path, line):
    path = tmp_path / "sequences.jsonl"
    path.write_bytes(line + b"\n")
    with pytest.raises(ValueError, match="line 1 is no record of an index"):
        read_index(path)


def test_records_out_of_order_or_twice_are_refused(tmp_path):
    one, other = Record("20230927_001", ("t", "a", "o")), Record("20230927_002", ("t", "a", "o"))
    for records in ((other, one), (one, one)):
        write_index(records, tmp_path)
        with pytest.raises(ValueError, match="is not sorted by key"):
            read_index(tmp_path)


def test_a_missing_index_is_named_with_how_to_make_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"sequences\.jsonl is missing: make it with `hoibench data index"):
        read_index(tmp_path)


def test_every_field_comes_back(tmp_path, records):
    full = replace(
        records[0], hands={"left": "0" * 64}, calib_status="good", calib_bad_cams=("1",), problems=("it is\nbroken",)
    )
    write_index((full,), tmp_path)
    assert read_index(tmp_path) == (full,)
