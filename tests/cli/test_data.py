"""``hoibench data``: what each command prints and with which code it ends."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import taco_faults
import taco_tree
from mano_files import write_mano

from hoibench.cli.main import main

KEY = taco_tree.HIT.key


@pytest.fixture(autouse=True)
def own_cache(shared_cache, monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", str(shared_cache))


@pytest.fixture
def said(capsys):
    """Runs a command; its exit code, what it printed, and what it said beside."""

    def run(*words):
        code = main(["data", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_the_commands_are_listed(said):
    assert said()[0] == 2
    code, out, _ = said("--help")
    assert code == 0
    assert all(f"\n  {name}" in out for name in ("doctor", "prepare", "mano"))
    code, _, err = said("docter")
    assert code == 2 and "data doctor" in err


def test_the_doctor_finds_a_whole_tree_in_order(said, taco):
    code, out, _ = said("doctor", taco.root, "--sample", 1)
    assert code == 0, out
    assert "1 of 84 clips of the split can be prepared" in out
    assert out.splitlines()[-1].startswith("no problem")
    assert "\nskipped  zips: nothing to check; calibration-reviews: " in out and out.count("skipped") == 1


def test_the_doctor_names_a_fault_and_its_fix(said, taco_copy):
    broken = taco_faults.non_rigid_pose(taco_copy, KEY)
    code, out, _ = said("doctor", taco_copy.root, "--sample", 1, "--json")
    assert code == 3
    (check,) = [check for check in json.loads(out)["checks"] if check["status"] == "problem"]
    assert check["problems"][0]["file"] == str(broken) and check["fix"]


def test_the_json_of_an_empty_folder_has_all_checks(said, tmp_path):
    (tmp_path / "notes.txt").touch()
    code, out, _ = said("doctor", tmp_path, "--json")
    assert code == 3 and {check["id"] for check in json.loads(out)["checks"]} >= {"folders", "split"}


def test_the_doctor_refuses_what_it_cannot_look_at(said, tmp_path):
    code, _, err = said("doctor", tmp_path / "nowhere")
    assert code == 2 and "nowhere" in err
    code, _, err = said("doctor", tmp_path, "--split", "tset")
    assert code == 2 and "test" in err
    code, _, err = said("doctor", tmp_path, "--sample", 0)
    assert code == 2 and "--sample is 0" in err


def test_the_doctor_writes_a_table_of_the_objects(said, taco, tmp_path):
    code, out, _ = said("doctor", taco.root, "--sample", 1, "--objects", tmp_path / "new" / "objects.csv")
    assert code == 0 and "no problem" in out
    assert "061,hammer,tool,1,\n" in (tmp_path / "new" / "objects.csv").read_text()


def test_prepared_clips_are_kept_and_broken_sequences_listed(said, prepared, taco, taco_copy, tmp_path):
    code, out, _ = said("prepare", taco.root, "--out", prepared, "--workers", 1)
    lines = out.splitlines()
    assert (code, lines[-2:]) == (0, ["0 created, 1 skipped, 0 failed", str(prepared)])
    assert "left out, 82: the sequence is not in Object_Poses" in lines
    taco_faults.truncate_video(taco_copy, KEY, "22139911")
    code, out, _ = said("prepare", taco_copy.root, "--out", tmp_path / "out", "--workers", 1, "--json")
    facts = json.loads(out)
    assert code == 3 and facts["created"] == []
    assert "22139911.mp4 is truncated" in facts["failed"][KEY]


def test_all_cameras_are_prepared_each_for_itself(said, tmp_path):
    shoot = replace(taco_tree.HIT, frames=4, serials=("22139909", "22139946", "22139910"))
    tree = taco_tree.write_tree(tmp_path / "tree", tmp_path / "lists", sequences=(shoot,))
    taco_faults.truncate_video(tree, KEY, "22139910")
    stray = tree.sequence(KEY).video("22139909")
    stray.with_name("1.mp4").write_bytes(stray.read_bytes())
    command = ("prepare", tree.root, "--out", tmp_path / "out", "--cameras", "all", "--short", "pad", "--workers", 1)
    code, out, _ = said(*command)
    assert code == 3 and f"failed  {KEY}" in out and "22139910.mp4 is truncated" in out
    views = {path.name for path in (tmp_path / "out" / KEY / "clip-raw").iterdir()}
    assert views == {"22139909", "22139946"}


def test_nothing_is_written_into_the_download(said, taco, tmp_path):
    for command, flag in (("prepare", "--out"), ("doctor", "--objects")):
        for out in (taco.root, taco.root / "inside" / "it"):
            code, _, err = said(command, taco.root, flag, out)
            assert code == 2 and f"{flag} {out} is inside the download" in err
    (tmp_path / "link").symlink_to(taco.root)
    assert said("prepare", taco.root, "--out", tmp_path / "link" / "x")[0] == 2


def test_a_download_that_gives_no_clip_is_an_error_of_use(said, taco):
    code, _, err = said("prepare", taco.root, "--split", "val")
    assert code == 2 and "has no clip of split val (234: the sequence is not in Object_Poses)" in err


def test_prepared_clips_need_no_doctor(said, prepared):
    code, _, err = said("doctor", prepared)
    assert code == 2 and "contains prepared clips" in err


def test_prepare_refuses_counts_below_one(said, taco):
    for flag in ("--limit", "--workers"):
        code, _, err = said("prepare", taco.root, flag, 0)
        assert code == 2 and f"{flag} is 0" in err


def test_mano_is_checked_and_converted(said, tmp_path):
    for side in ("left", "right"):
        write_mano(tmp_path, side)
    code, out, _ = said("mano", tmp_path, "--out", tmp_path / "npz")
    assert code == 0 and out.splitlines()[-1] == f"set HOIBENCH_MANO={tmp_path / 'npz'}"
    assert said("mano", tmp_path / "npz")[0] == 0
    (tmp_path / "MANO_LEFT.pkl").replace(tmp_path / "MANO_RIGHT.pkl")
    write_mano(tmp_path, "left")
    code, _, err = said("mano", tmp_path)
    assert code == 2 and "is MANO's left hand, expected the right one" in err


@pytest.mark.slow
def test_from_a_download_to_a_scored_clip(taco, tmp_path):
    environment = os.environ | {"HOIBENCH_CACHE": str(tmp_path / "cache")}

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", *map(str, words)], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    assert run("hoibench", "data", "doctor", taco.root)[-1].startswith("no problem")
    prepared = run("hoibench", "data", "prepare", taco.root, "--out", "clips")[-1]
    page = run(
        "hoibench.run", "--dataset", "taco", "--root", prepared, "--method", "frozen", "--metrics", "rpe,chamfer"
    )[-1]
    text = (tmp_path / page).read_text()
    assert "taco-syncmv4d@2/test_unseen" in text
    assert "hoibench/taco-clips@1 synthetic 128x94" in text
    assert "83" in text and "excludes clips of the split" in text
    (parquet,) = Path(tmp_path).glob("runs/*/results.parquet")
    assert parquet.stat().st_size > 0


def test_videos_are_decoded_in_software_where_the_device_is_missing(said, taco, tmp_path, monkeypatch):
    monkeypatch.setattr("hoibench.video.decoder.find_device_problem", lambda name: f"no {name} device can be opened")
    devices = []
    monkeypatch.setattr(
        "hoibench.datasets.taco.prepare.split.prepare_all", lambda *_, device, **__: devices.append(device)
    )
    code, _, err = said("prepare", taco.root, "--out", tmp_path, "--split", "train", "--hwaccel", "cuda")
    assert code == 0
    assert "--hwaccel cuda: no cuda device can be opened; videos are decoded in software" in err
    assert devices == [None]


def test_an_unknown_device_is_refused(said, taco, tmp_path):
    code, _, err = said("prepare", taco.root, "--out", tmp_path, "--split", "train", "--hwaccel", "abacus")
    assert code == 2
    assert "device 'abacus' cannot decode videos" in err
