"""Runs of the toy package in this process, their progress reports and their rows."""

import json

import pandas as pd

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.run import run


class RecordingListener:
    def __init__(self):
        self.units = ()
        self.steps = []
        self.reports = []

    def on_start(self, plan, units):
        self.units = units

    def on_progress(self, progress):
        self.steps.append(progress)

    def on_report(self, report):
        self.reports.append(report)

    def on_line(self, label, line):
        pass


def run_toy(out, device="cpu", **settings):
    settings = {"dataset": "toy", "method": ("still",), "metrics": "rpe,chamfer", "executor": "inline"} | settings
    config = RunConfig(out=out, **settings)
    listener = RecordingListener()
    outcome = run(make_plan(config, open_dataset("toy", None), device), listener)
    return outcome, listener.reports


def explain_left_out_clips(out):
    """Give the record of a run of some clips a reason why the others are not scored, without which its pack is refused."""
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(record | {"excluded": ["left out by this test: the other clips"]}))


def headline_rows(out):
    table = pd.read_parquet(out / "results.parquet")
    table = table[table["view"].isna() & table["pair"].isna() & table["part"].isna() & table["frame"].isna()]
    return table.set_index(["method", "clip", "seed", "metric"]).sort_index()
