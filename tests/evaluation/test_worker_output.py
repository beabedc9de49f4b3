"""What methods print goes to files of the run, and the last of it into their failures."""

import re

import pytest
from toy_runs import RecordingListener, run_toy

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.executor import choose_executor
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.run import group_by_clip
from hoibench.evaluation.run_progress import RunProgress
from hoibench.evaluation.worker import WorkerContext
from hoibench.progress import Progress
from hoibench.results.run_record import RunRecord

pytestmark = pytest.mark.usefixtures("toy")


def test_what_a_method_prints_goes_to_logs_and_its_end_into_failures(tmp_path, capfd):
    settings = {"executor": "local", "workers": 1, "metrics": "rpe", "limit": 6, "keep_going": True}
    run_toy(tmp_path, method=("noisy", "unloadable"), **settings)
    assert capfd.readouterr() == ("", "")

    logs = tmp_path / "logs"
    assert (logs / "noisy" / "load.log").read_text() == "loading weights\n"
    log = (logs / "noisy" / "seed-0" / "clip_0.log").read_text()
    assert log.startswith("clip_0: step 0\nclip_0: step 1\n")
    assert log.endswith("clip_0: step 39999\na child's line\n")
    assert len(log) < 2 * 256 * 1024 + 100

    failures = {failure.unit: failure for failure in RunRecord.read(tmp_path / "run.json").exit.failures}
    raised, crashed, interrupted = (failures.pop(f"noisy/seed-0/clip_{n}") for n in (1, 2, 3))
    assert interrupted.reason.startswith("KeyboardInterrupt (methods.py:"), "the run goes on"
    assert re.fullmatch(r"KeyError: 'prompt' \(methods\.py:[0-9]+\)", raised.reason)
    assert raised.output.endswith("clip_1: step 39999\na child's line")
    assert (raised.output.count("\n"), raised.log) == (29, "logs/noisy/seed-0/clip_1.log")
    assert crashed.reason == "its process crashed in native code (SIGSEGV)"
    assert "methods.py" in crashed.output and "in change" in crashed.output, "the stack"

    assert set(failures) == {f"unloadable/seed-0/clip_{n}" for n in range(6)}
    assert {(f.stage, f.reason, f.log, f.output) for f in failures.values()} == {
        (
            "generate",
            "its process ended by itself with exit code 3: its code or a library called exit",
            "logs/unloadable/load.log",
            "loading weights",
        )
    }


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_progress_names_stage_clip_and_metric(executor, tmp_path):
    config = RunConfig(
        dataset="toy", method=("still",), metrics="rpe,chamfer", limit=2, out=tmp_path, executor=executor, workers=1
    )
    plan = make_plan(config, open_dataset("toy", None), "cpu")
    context, jobs = WorkerContext.from_plan(plan), group_by_clip(plan, [u for u in plan.units if u.method == "still"])
    listener = RecordingListener()
    progress = RunProgress((unit for _, units in jobs for unit in units), listener)
    run_executor = choose_executor(plan, len(jobs), runs_methods=True)
    run_executor.generate(context, "still", jobs, progress)
    steps = ("", "loading the method", "loading the clip", "generating", "", "loading the clip", "generating")
    assert listener.steps == [
        Progress("generate", done, 2, "still", clip, step)
        for step, done, clip in zip(steps, 4 * [0] + 3 * [1], 4 * ["clip_1"] + 3 * ["clip_3"], strict=True)
    ]
    listener.steps.clear()
    run_executor.score(context, jobs, progress)
    assert [(p.stage, p.done, p.clip, p.detail) for p in listener.steps if p.done == 1] == [
        ("score", 1, "clip_3", detail) for detail in ("", "loading the clip", "rpe@2", "chamfer@2")
    ]
    assert all(report.seconds > 0 for report in listener.reports)
