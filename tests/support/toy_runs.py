"""Runs of the toy package in this process."""

import pandas as pd

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.run import run


class Silent:
    def __init__(self):
        self.reports = []

    def started(self, plan, steps):
        self.steps = steps

    def reported(self, report):
        self.reports.append(report)

    def stopped(self):
        pass


def go(out, device="cpu", **settings):
    settings = {"dataset": "toy", "method": ("still",), "metrics": "rpe,chamfer", "executor": "inline"} | settings
    config = RunConfig(out=out, **settings)
    listener = Silent()
    outcome = run(make_plan(config, open_dataset("toy", None), device), listener)
    return outcome, listener.reports


def headlines(out):
    table = pd.read_parquet(out / "results.parquet")
    table = table[table["view"].isna() & table["pair"].isna() & table["part"].isna() & table["frame"].isna()]
    return table.set_index(["method", "clip", "seed", "metric"]).sort_index()
