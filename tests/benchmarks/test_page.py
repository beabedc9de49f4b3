"""Building the page of a large board: 50 methods, 500 clips, 12 metrics."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hoibench.metric_card import Card
from hoibench.results.results_file import SCHEMA
from hoibench.results.run_record import RunRecord
from leaderboard.build import MAX_PAGE_BYTES, build

METHODS, CLIPS, METRICS = (
    [f"method-{n}" for n in range(50)],
    [f"clip-{n}" for n in range(500)],
    [f"metric_{n}@1" for n in range(12)],
)
GROUPS = ("video/single-view", "video/multi-view", "motion/single-view", "motion/multi-view")
CARDS = {
    name: Card(
        id=name,
        entry="no:where",
        title=name,
        group=GROUPS[n // 3],
        unit="%",
        direction="lower",
        formula="mean",
        source="invented",
        cap=1e3,
    )
    for n, name in enumerate(METRICS)
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    grid = np.stack(np.meshgrid(range(50), range(12), range(500), range(3), indexing="ij"), -1).reshape(-1, 4)
    count = len(grid)
    constant = {
        "split": "s",
        "clip_set_id": "c",
        "region": "full",
        "status": "ok",
        "unit": "%",
        "precision": "fp32",
        "device": "cpu",
        "weights": "{}",
        "details": "{}",
    }
    columns = {name: [text] * count for name, text in constant.items()} | {
        "method": [METHODS[n] for n in grid[:, 0]],
        "metric": [METRICS[n] for n in grid[:, 1]],
        "clip": [CLIPS[n] for n in grid[:, 2]],
        "seed": grid[:, 3],
        "value": np.random.default_rng(0).lognormal(size=count) + 0.02 * grid[:, 0],
    }
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(count, f.type) for f in SCHEMA]
    pq.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA), folder / "results.parquet")
    record = {
        "schema": RunRecord.SCHEMA, "name": "large", "config": {}, "config_hash": "0", "identity": {}, "dataset": "d", "kind": "synthetic",
        "has_truth": True, "split": "s", "split_id": "i", "clip_set_id": "c", "truth_id": "", "notes": [], "excluded": [], "metrics": METRICS,
        "shard": None, "merged": False, "earlier_provenance": [],
        "clips": [{"id": clip, "instances": [str(n // 4), "0"]} for n, clip in enumerate(CLIPS)],
        "methods": [{"id": name, "name": name, "kind": "method", "families": ["i2vm"]} for name in METHODS],
        "seeds": [0, 1, 2], "provenance": {}, "exit": {"status": "done", "failures": []},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    return folder


@pytest.mark.benchmark(group="page: 50 methods, 500 clips, 12 metrics, 3 seeds")
def test_page(benchmark, run, tmp_path):
    index = benchmark.pedantic(build, ([run], tmp_path, CARDS), rounds=1)
    assert index.stat().st_size < MAX_PAGE_BYTES
