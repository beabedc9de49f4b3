from pathlib import Path

import pytest

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.taco.download import triplet_folder
from splits import statistics
from splits.statistics import (
    EvaluationPart,
    camera_row,
    evaluation_parts,
    leak_row,
    main,
    object_columns,
    read_objects,
    share_explained,
)

DOCS = Path(__file__).parents[2] / "docs" / "taco.md"
NARROW, WIDE = ("22139909", "22139916", "22139946"), ("21218078", "22070938", "22139914")


def clip(key, triplet, serials=NARROW, tags=()):
    return ClipEntry(key, triplet, None, serials, 0, tags)


TRAIN = (clip("20230101_001", ("cup", "pour", "bowl")), clip("20230102_001", ("cup", "stir", "pan")))
CLIPS = (
    clip("20230101_002", ("cup", "pour", "bowl")),
    clip("20230101_003", ("cup", "stir", "pan"), WIDE),
    clip("20230103_001", ("cup", "wipe", "bowl")),
    clip("20230103_002", ("mop", "wipe", "floor"), WIDE),
)
PART = EvaluationPart("x@1/test", CLIPS, TRAIN)


def test_leaks_are_counted():
    assert leak_row(PART) == {
        "part": "x@1/test",
        "clips": "4",
        "triplets": "4",
        "dates": "2",
        "most of one date": "2",
        "tool in train": "3",
        "action in train": "2",
        "target in train": "3",
        "triplet in train": "2",
        "date in train": "2",
        "triplet and date in train": "1",
        "action explained by tool": "0.21",
        "action explained by date": "0.67",
        "in TACO's train set": "0",
    }


def test_a_feature_tells_all_or_nothing_of_the_actions():
    same = [clip(f"2023010{day}_00{day}", ("cup", action, "bowl")) for day, action in ((1, "pour"), (2, "stir"))]
    assert share_explained(same, 1, statistics.recording_date) == 1.0
    assert share_explained(same, 1, lambda clip: clip.triplet[0]) == 0.0


def test_cameras_are_counted():
    row = camera_row(PART)
    assert [row[name] for name in ("widest", "over 75", "over 90", "trios")] == ["89", "2", "0", "2"]
    assert row["left"] == "21218078 2, 22139909 2"


def test_objects_are_those_of_a_download(tmp_path):
    for key, triplet, objects in (
        (TRAIN[0].id, TRAIN[0].triplet, ("tool_001", "target_002")),
        (CLIPS[0].id, CLIPS[0].triplet, ("tool_001", "target_002")),
        (CLIPS[1].id, CLIPS[1].triplet, ("tool_001", "target_003")),
        (CLIPS[2].id, CLIPS[2].triplet, ("tool_004",)),
    ):
        for name in objects:
            path = tmp_path / "Object_Poses" / triplet_folder(triplet) / key / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    objects = read_objects(tmp_path)
    assert objects == {
        TRAIN[0].id: ("001", "002"),
        CLIPS[0].id: ("001", "002"),
        CLIPS[1].id: ("001", "003"),
    }
    assert list(object_columns(PART, objects).values()) == ["2", "2", "1", "1"]


def test_clips_with_a_tag_are_a_part_of_their_own():
    parts = {part.name: part for part in evaluation_parts(statistics.VersionedSplit("taco-syncmv4d@2"))}
    sizes = {name: len(part.clips) for name, part in parts.items()}
    assert sizes == {
        "taco-syncmv4d@2/val": 234,
        "taco-syncmv4d@2/test_unseen": 84,
        "... unseen_action": 61,
        "... unseen_object": 23,
    }


def test_the_tables_of_the_docs_are_those_of_the_command(capsys):
    assert main(["taco-syncmv4d@2", "taco-disentangled@2", "taco-official@2"]) == 0
    leaks, cameras = capsys.readouterr().out.split("\n\n")
    assert leaks in DOCS.read_text()
    assert all("| 74 | 0 | 0 | 10 |" in line or "unseen_" in line for line in cameras.splitlines()[2:])


def test_the_numbers_of_the_first_version(capsys):
    """43 of 84 clips with a pair over 90 degrees, 37 in TACO's train set, 50 of one date: the reasons for the second version."""
    assert main(["taco-syncmv4d@1"]) == 0
    leaks, cameras = capsys.readouterr().out.split("\n\n")
    assert "| taco-syncmv4d@1/test_unseen | 84 | 8 | 4 | 50 | 0 | 0 | 84 | 0 | 84 | 0 | 1.00 | 0.74 | 37 |" in leaks
    assert "| taco-syncmv4d@1/test_unseen | 84 | 91 | 109 | 68 | 43 | 44 |" in cameras


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["taco-syncmv4d@9"], "unknown split 'taco-syncmv4d@9': did you mean taco-syncmv4d@2 or taco-syncmv4d@1"),
        (["--root", "."], "has no Object_Poses"),
    ],
)
def test_an_unknown_split_or_folder_is_an_error(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err
