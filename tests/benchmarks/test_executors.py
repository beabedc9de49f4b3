"""Seconds per unit of tiny units with one worker, from the first to the last, in a local worker process and in one on Ray."""

import time

import pytest
from toy_runs import RecordingListener

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.executor import choose_executor, connect_cluster
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.run import group_by_clip
from hoibench.evaluation.run_progress import RunProgress
from hoibench.evaluation.worker import WorkerContext

SEEDS = 40


class TimedListener(RecordingListener):
    def on_report(self, report):
        self.reports.append(time.monotonic())


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("executor", ["local", "ray", "local", "ray", "local", "ray"])
def test_pace_of_tiny_units(executor, tmp_path, benchmark):
    pytest.importorskip("ray")
    settings = {"method": ("still",), "metrics": "rpe", "seed": tuple(range(SEEDS)), "limit": 5, "workers": 1}
    plan = make_plan(
        RunConfig(dataset="toy", out=tmp_path, executor=executor, **settings), open_dataset("toy", None), "cpu"
    )
    jobs = group_by_clip(plan, [unit for unit in plan.units if unit.method == "still"])
    listener = TimedListener()

    def generate():
        with connect_cluster(plan):
            progress = RunProgress((unit for _, units in jobs for unit in units), listener)
            choose_executor(plan, 1, runs_methods=True).generate(WorkerContext.from_plan(plan), "still", jobs, progress)

    benchmark.pedantic(generate, rounds=1)
    first, *_, last = listener.reports
    benchmark.extra_info["ms per unit"] = round(1000 * (last - first) / (len(listener.reports) - 1), 2)
    print(f"{executor}: {benchmark.extra_info['ms per unit']} ms per unit of {len(listener.reports)}")
