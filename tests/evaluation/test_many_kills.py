"""A run that is killed hundreds of times, shards at once, and a long run's processes, handles and temporary files."""

import os
import random
import secrets
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from toy_runs import RecordingListener

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.merge import merge
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.run import run
from hoibench.processes import preloading

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("HOIBENCH_KILLS", "200"))
PLAIN = ("--method", "frozen", "--method", "random", "--seed", "0", "--seed", "1", "--executor", "inline")
WORKERS = ("--method", "still", "--seed", "0", "--workers", "2")


def table(out):
    return pd.read_parquet(out / "results.parquet")


def finish(process):
    _, err = process.communicate(timeout=280)
    assert process.returncode == 0, err


def identify(pid):
    """A process as (id, start), since ids are used again; None if it has ended."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else (pid, int(fields[18]))


def family(root):
    """A process and all its descendants, as ``identify`` gives them."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = {root}
    while new := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= new
    return {process for pid in found if (process := identify(pid)) is not None}


def completed(out):
    """The complete units with the time of their prediction, and all complete lines of rows, by file."""
    units = {path: path.stat().st_mtime_ns for path in out.glob("predictions/**/prediction.json")}
    rows = {path: path.read_bytes().rpartition(b"\n")[0] for path in out.glob("scores/**/*.jsonl")}
    return units, rows


def count_files(out):
    """Number of files of predictions and scores, complete or not."""
    return sum(len(files) for part in ("predictions", "scores") for _, _, files in os.walk(out / part))


def wait_for_files(process, out, wanted):
    """Wait until a run has ``wanted`` files, or has ended."""
    while process.poll() is None and count_files(out) < wanted:
        time.sleep(0.005)


def kill(process, rng):
    """Kill a run, often one of its processes shortly before, such as a worker or its supervisor; all have to end. Return whether one was."""
    others = family(process.pid) - {identify(process.pid)}
    has_victim = bool(others) and rng.random() < 0.7
    if has_victim:
        with suppress(ProcessLookupError):
            os.kill(rng.choice(sorted(others))[0], signal.SIGKILL)
        time.sleep(rng.uniform(0, 0.1))
        others |= family(process.pid) - {identify(process.pid)}
    process.kill()
    deadline = time.monotonic() + 30
    while left := [each for each in others if identify(each[0]) == each]:
        assert time.monotonic() < deadline, f"processes outlive the run that has started them: {left}"
        time.sleep(0.01)
    return has_victim


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("settings", "kills"), [(PLAIN, KILLS * 17 // 20), (WORKERS, KILLS * 3 // 20)])
def test_kills_lose_no_row(settings, kills, launch_in, launch, tmp_path, tmp_path_factory):
    """Each start has to keep what was complete at the kill before; a run that ends begins anew.

    Four of five come when some more files are there, so that they hit a prediction, its rows, or what follows; the others at its start.
    """
    rng, out, flags = random.Random(0), tmp_path / "r", (*settings, "--limit", "2", "--out", "r")
    first = tmp_path_factory.mktemp("first")
    finish(launch_in(first, *flags))
    uninterrupted, most = table(first / "r"), count_files(first / "r")
    killed = midway = victims = ends = 0
    units, rows = {}, {}
    while killed < kills:
        before = count_files(out)
        process = launch(*flags)
        is_early = rng.random() < 0.2
        wait_for_files(process, out, 0 if is_early else before + rng.randint(1, most // 3))
        time.sleep(rng.uniform(0, 0.5 if is_early else 0.05))
        is_midway = before < count_files(out) and not (out / "results.parquet").exists()
        has_victim = process.poll() is None and kill(process, rng)
        _, err = process.communicate(timeout=60)
        now, lines = completed(out)
        assert units.items() <= now.items(), "a complete unit was lost or made again"
        assert all(lines[path].startswith(before) for path, before in rows.items()), "rows were lost or changed"
        units, rows = now, lines
        if process.returncode == 0:
            pd.testing.assert_frame_equal(table(out), uninterrupted)
            shutil.rmtree(out)
            units, rows, ends = {}, {}, ends + 1
        else:
            assert process.returncode == -signal.SIGKILL or has_victim, err
            killed, midway, victims = killed + 1, midway + is_midway, victims + has_victim
    finish(launch(*flags))
    pd.testing.assert_frame_equal(table(out), uninterrupted)
    assert not list(out.rglob(".tmp-*"))
    print(
        f"{killed} kills, {midway} between the first prediction and the table, {victims} of workers first; {ends + 1} complete runs"
    )
    assert midway >= kills // 2
    assert settings is PLAIN or victims >= kills // 3


def test_eight_shards_at_once_merge_into_the_same_table(launch_in, launch, tmp_path, tmp_path_factory):
    """Two of them have no clip."""
    plain = tmp_path_factory.mktemp("plain")
    finish(launch_in(plain, *PLAIN, "--out", "r"))
    uninterrupted = table(plain / "r")
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
            self.handles.append(
                max(
                    len(os.listdir(f"/proc/{pid}/fd"))
                    for pid, _ in family(os.getpid())
                    if os.access(f"/proc/{pid}/fd", os.R_OK)
                )
            )


def marked(mark):
    """The processes, however detached, that have a text in their environment; but not multiprocessing's tracker, which serves later tests too."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                if mark.encode() in (entry / "environ").read_bytes() and b"resource_tracker" not in command:
                    found.append((entry.name, command))
    return found


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
    mark = f"soak-{secrets.token_hex(8)}"
    monkeypatch.setenv("HOIBENCH_SOAK", mark)
    monkeypatch.setattr(preloading, "_has_started", False)  # a process that another test has started lacks the mark
    before = len(os.listdir("/proc/self/fd"))
    listener = Watcher()
    assert run(plan, listener).exit_code == 0
    deadline = time.monotonic() + 10
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # the tracker of resources of multiprocessing
    assert max(listener.handles) <= min(listener.handles) + 8, f"open files grow: {listener.handles}"
    assert not list((tmp_path / "r").rglob(".tmp-*")) and not list((tmp_path / "r").rglob("*.damaged"))
    assert not list(temporary.iterdir())
