"""A run that is killed hundreds of times, shards at once, and a long run's processes, handles and temporary files."""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pandas as pd
import pytest
from toy_runs import RecordingListener

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.merge import merge
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.run import run

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("HOIBENCH_KILLS", "200"))
PLAIN = ("--method", "frozen", "--method", "random", "--seed", "0", "--seed", "1", "--executor", "inline")


def table(out):
    return pd.read_parquet(out / "results.parquet")


def finish(process):
    _, err = process.communicate(timeout=280)
    assert process.returncode == 0, err


def run_once(launch_in, folder, *flags):
    """The rows of a complete run, and the seconds that it takes."""
    start = time.monotonic()
    finish(launch_in(folder, *PLAIN, *flags, "--out", "r"))
    return table(folder / "r"), time.monotonic() - start


def completed(out):
    """The complete units with the time of their prediction, and all complete lines of rows, by file."""
    units = {path: path.stat().st_mtime_ns for path in out.glob("predictions/**/prediction.json")}
    rows = {path: path.read_bytes().rpartition(b"\n")[0] for path in out.glob("scores/**/*.jsonl")}
    return units, rows


@pytest.mark.timeout(3600)
def test_kills_at_random_moments_lose_no_row(launch_in, launch, tmp_path, tmp_path_factory):
    """Each start has to keep what was complete at the kill before; a run that ends begins anew."""
    rng, out, flags = random.Random(0), tmp_path / "r", ("--limit", "2")
    run_once(launch_in, tmp_path_factory.mktemp("first"), *flags)  # the modules are imported now
    uninterrupted, seconds = run_once(launch_in, tmp_path_factory.mktemp("second"), *flags)
    kills = ends = 0
    units, rows = {}, {}
    while kills < KILLS:
        process = launch(*PLAIN, *flags, "--out", "r")
        try:
            process.wait(timeout=rng.uniform(0, 0.5) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
            kills += 1
        now, lines = completed(out)
        assert units.items() <= now.items(), "a complete unit was lost or made again"
        assert all(lines[path].startswith(before) for path, before in rows.items()), "rows were lost or changed"
        units, rows = now, lines
        if process.returncode != -signal.SIGKILL:
            finish(process)
            pd.testing.assert_frame_equal(table(out), uninterrupted)
            shutil.rmtree(out)
            units, rows, ends = {}, {}, ends + 1
    finish(launch(*PLAIN, *flags, "--out", "r"))
    pd.testing.assert_frame_equal(table(out), uninterrupted)
    assert not list(out.rglob(".tmp-*"))
    print(f"{kills} kills, {ends + 1} complete runs")


def test_eight_shards_at_once_merge_into_the_same_table(launch_in, launch, tmp_path, tmp_path_factory):
    """Two of them have no clip."""
    uninterrupted, _ = run_once(launch_in, tmp_path_factory.mktemp("plain"))
    processes = [launch(*PLAIN, "--out", "r", "--shard", f"{i}/8") for i in range(1, 9)]
    for process in processes:
        finish(process)
    assert merge(tmp_path / "r").exit_code == 0
    pd.testing.assert_frame_equal(table(tmp_path / "r"), uninterrupted)


class Watcher(RecordingListener):
    """Counts the open files of this process and of its descendants after every 100 units."""

    def __init__(self):
        super().__init__()
        self.handles = []

    def on_report(self, report):
        super().on_report(report)
        if len(self.reports) % 100 == 0:
            self.handles.append(max(len(os.listdir(f"/proc/{pid}/fd")) for pid in family()))


def family():
    """The ids of this process and of all its descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {os.getpid()}
    while new := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= new
    return [pid for pid in found if os.access(f"/proc/{pid}/fd", os.R_OK)]


@pytest.mark.timeout(1200)
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_a_thousand_units_leave_no_process_handle_or_temporary_file(toy, tmp_path, monkeypatch):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(temporary))
    settings = {"dataset": "toy", "method": ("still",), "metrics": "rpe", "seed": tuple(range(34)), "workers": 2}
    plan = make_plan(RunConfig(out=tmp_path / "r", **settings), open_dataset("toy", None), "cpu")
    assert len(plan.units) >= 1000
    before = set(family()), len(os.listdir("/proc/self/fd"))
    listener = Watcher()
    assert run(plan, listener).exit_code == 0
    deadline = time.monotonic() + 10
    while set(family()) - before[0] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(os.listdir("/proc/self/fd")) <= before[1] + 1  # the tracker of resources of multiprocessing
    assert max(listener.handles) <= min(listener.handles) + 8, f"open files grow: {listener.handles}"
    assert not list((tmp_path / "r").rglob(".tmp-*")) and not list((tmp_path / "r").rglob("*.damaged"))
    assert not [path.name for path in temporary.iterdir() if path.name.startswith(("hoibench", "tmp"))]
