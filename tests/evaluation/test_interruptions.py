"""Runs in separate processes that are killed, interrupted, out of disk space or started twice must resume to the same results."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from functools import partial

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

PLAIN = ("--method", "still", "--seed", "0", "--seed", "1", "--workers", "2")


def finish(process, code):
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    return out, err


def table(out):
    return pd.read_parquet(out / "results.parquet")


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def uninterrupted(launch_in, tmp_path_factory):
    """An uninterrupted run of the same settings."""
    folder = tmp_path_factory.mktemp("undisturbed")
    process = launch_in(folder, *PLAIN, "--out", "uninterrupted")
    start = time.monotonic()
    out, _ = finish(process, 0)
    assert out.splitlines()[-1].endswith("index.html")
    rows = table(folder / "uninterrupted")
    rows.attrs["seconds"] = time.monotonic() - start
    return rows


def test_kill_9_at_random_times_loses_nothing(launch, tmp_path, uninterrupted):
    rng = random.Random(0)
    kills = 0
    for _ in range(30):
        process = launch(*PLAIN, "--out", "r", start_new_session=True)
        try:
            process.wait(timeout=rng.uniform(0.2, 0.9) * uninterrupted.attrs["seconds"])
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers must notice
            process.communicate(timeout=60)
            kills += 1
            if kills == 5:
                break
        else:
            finish(process, 0)
            shutil.rmtree(tmp_path / "r")  # it was done before the kill: begin anew
    assert kills == 5
    time.sleep(1.0)
    before = len(files(tmp_path / "r")) if (tmp_path / "r").exists() else 0
    time.sleep(1.0)
    assert (len(files(tmp_path / "r")) if (tmp_path / "r").exists() else 0) == before, "a worker outlived its parent"
    finish(launch(*PLAIN, "--out", "r"), 0)
    pd.testing.assert_frame_equal(table(tmp_path / "r"), uninterrupted)
    assert not [path for path in files(tmp_path / "r") if path.name.startswith(".tmp-")]


def test_a_run_resumes_after_ctrl_c(launch, tmp_path, uninterrupted):
    process = launch(*PLAIN, "--out", "r")
    deadline = time.monotonic() + 240
    while not list((tmp_path / "r" / "scores").rglob("*.jsonl")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = finish(process, 130)
    assert "completed work is kept" in err
    assert json.loads((tmp_path / "r" / "run.json").read_text())["exit"]["status"] == "interrupted"
    finish(launch(*PLAIN, "--out", "r"), 0)
    pd.testing.assert_frame_equal(table(tmp_path / "r"), uninterrupted)


def test_a_second_process_on_a_run_is_refused(launch, tmp_path, uninterrupted):
    first = launch(*PLAIN, "--out", "r")
    while not (tmp_path / "r" / "run.json").exists():
        time.sleep(0.05)
    _, err = finish(launch(*PLAIN, "--out", "r"), 2)
    assert f"another process is working on {tmp_path / 'r'}" in err
    finish(first, 0)
    pd.testing.assert_frame_equal(table(tmp_path / "r"), uninterrupted)


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 420 KiB, and a function that enlarges it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=420k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no right to mount a tmpfs here")
    yield disk, partial(subprocess.run, ["mount", "-o", "remount,size=64m", str(disk)], check=True)
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_loses_nothing(launch, small_disk, uninterrupted):
    """A disk too small for the run; enlarged, the same command goes on."""
    disk, enlarge = small_disk
    _, err = finish(launch(*PLAIN, "--out", str(disk / "r")), 1)
    assert "no space left" in err
    assert "give the same command again" in err
    stored = {p: p.read_bytes() for p in files(disk / "r" / "predictions") if p.name == "prediction.json"}
    assert stored
    enlarge()
    finish(launch(*PLAIN, "--out", str(disk / "r")), 0)
    assert all(path.read_bytes() == data for path, data in stored.items())
    pd.testing.assert_frame_equal(table(disk / "r"), uninterrupted)


def test_a_log_that_fills_the_disk_stops_the_run_which_goes_on_later(launch, small_disk):
    disk, enlarge = small_disk
    flags = ("--method", "noisy", "--limit", "1", "--workers", "1", "--out", str(disk / "r"))
    log = disk / "r" / "logs" / "noisy" / "seed-0" / "clip_1.log"
    _, err = finish(launch(*flags), 1)
    assert "no space left" in err
    assert "step 39999" not in log.read_text()
    enlarge()
    finish(launch(*flags), 3)
    assert log.read_text().endswith("clip_1: step 39999\na child's line\n")


def test_a_timeout_or_a_dead_process_fails_only_its_unit(launch, tmp_path):
    flags = ("--limit", "6", "--workers", "1", "--out")
    _, err = finish(launch("--method", "slow", "--unit-timeout", "8", *flags, "slow"), 3)
    assert "no result within 8 s" in err
    _, err = finish(launch("--method", "dying", *flags, "dying"), 3)
    assert "its process ended by itself with exit code 9" in err
    for name in ("slow", "dying"):
        rows = table(tmp_path / name)
        rows = rows[(rows["method"] == name) & rows["view"].isna() & rows["part"].isna() & (rows["metric"] == "rpe@2")]
        assert rows.set_index("clip")["status"].to_dict() == {
            f"clip_{i}": "failed" if i == 1 else "ok" for i in range(6)
        }


def test_a_method_may_change_the_working_folder(launch, tmp_path):
    out, _ = finish(launch("--method", "wandering", "--limit", "2", "--workers", "1", "--out", "r"), 0)
    assert (tmp_path / out.splitlines()[-1]).is_file()
    assert (table(tmp_path / "r")["status"] == "ok").all()
