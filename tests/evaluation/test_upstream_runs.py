"""Runs of methods whose code runs in an environment of its own, with a fake tree as upstream code; the method is tests/support/toy_upstream."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from fake_upstream import make_tree
from toy_runs import headline_rows

from hoibench.results.run_record import RunRecord

ADAPTER = ["--adapter", f"{Path(__file__).parents[1]}/support/toy_upstream/adapter.py:Toy"]


@pytest.fixture
def tree(tmp_path):
    return make_tree("toy", tmp_path)


def find_processes(tree):
    """Return the processes that run in the tree's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found += [path.parent.name] if os.readlink(path) == str(tree.path) else []
        except OSError:
            continue
    return found


def test_upstream_code_that_misbehaves_fails_its_units_with_a_reason_and_harms_no_other(launch, tree, tmp_path):
    reasons = {
        "half": "ScriptFailed: run.py has ended with exit code 1",
        "flood": "ScriptFailed: run.py has ended with exit code 3",
        "memory": "ScriptFailed: run.py has ended with exit code 1",
        "bigfile": "ScriptFailed: run.py has ended with exit code 1",
        "silent": "view-0.npz: the worker has not written this file",
        "nan": "view-0.npz: points has NaN or infinity at 48 of 9216 places",
        "frames": "view-0.npz: points has 5 frames, expected 6",
        "header": "does not match its size",
        "orphan": None,
    }
    units = [f"seed-{seed}/clip_{clip}" for seed in (0, 1) for clip in range(1, 6)]
    modes = dict(zip(reasons, units, strict=False))
    text = ",".join(f"{unit}/view-0={mode}" for mode, unit in modes.items())
    flags = ["--seed=0", "--seed=1", "--limit=5", "--metrics=rpe", "--workers=2"]
    process = launch(*ADAPTER, *tree.flags, *flags, "--out", "out", env={"FAKE_MODE": text}, merge_stderr=True)
    printed, _ = process.communicate(timeout=280)
    assert process.returncode == 3, printed
    out = tmp_path / "out"
    failures = {
        failure.unit.removeprefix("toy/"): failure for failure in RunRecord.read(out / "run.json").exit.failures
    }
    expected = {unit: reasons[mode] for mode, unit in modes.items() if reasons[mode]}
    assert set(failures) == set(expected)
    for unit, reason in expected.items():
        assert reason in failures[unit].reason

    ok = headline_rows(out).xs("toy")["status"].eq("ok")
    for unit in (modes["orphan"], units[-1]):
        seed, clip = unit.split("/")
        assert ok.xs((clip, int(seed[-1]))).all()
    assert "out of luck" in failures[modes["half"]].output
    assert "MemoryError" in failures[modes["memory"]].output
    assert "File too large" in failures[modes["bigfile"]].output
    log = out / "logs" / "toy" / f"{modes['flood']}.log"
    assert 500_000 < log.stat().st_size < 600 << 10
    assert not find_processes(tree)
    (orphan,) = (call["orphan"] for call in tree.calls() if call["orphan"])
    assert not Path(f"/proc/{orphan}").exists()
    left = {str(path.relative_to(out / "exchange" / "toy")) for path in (out / "exchange" / "toy").glob("*/*")}
    assert left == set(expected), "files of failed units stay"


def test_a_run_that_was_killed_asks_upstream_code_only_for_what_is_missing(launch, tree, tmp_path):
    flags = [*ADAPTER, *tree.flags, "--limit", "2", "--workers", "1", "--metrics", "rpe", "--out", "out"]
    views = [f"clip_{clip}/view-{view}" for clip in ("1", "3") for view in range(2)]
    process = launch(*flags, env={"FAKE_MODE": f"{views[3]}=hang"}, merge_stderr=True)
    deadline = time.monotonic() + 200
    while len(tree.calls()) < 4:
        assert process.poll() is None and time.monotonic() < deadline, tree.calls()
        time.sleep(0.1)
    process.kill()
    process.communicate()
    while find_processes(tree):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    printed, _ = launch(*flags, merge_stderr=True).communicate(timeout=200)
    called = [re.search(r"clip_./view-.", call["argv"][2]).group() for call in tree.calls()]
    assert called == [*views, views[3]], printed
    assert headline_rows(tmp_path / "out").xs("toy")["status"].eq("ok").all()
    record = json.loads((tmp_path / "out/predictions/toy/seed-0/clip_3/prediction.json").read_text())
    assert set(record["provenance"]["worker"]["seconds"]) == {"view-0", "view-1"}
    assert not list((tmp_path / "out" / "exchange").rglob("*.npz"))
