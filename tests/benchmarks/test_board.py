"""A board of a million result rows: reading, averaging, intervals, and the comparison of all pairs of methods."""

import fake_runs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hoibench.results.board import build_boards
from hoibench.results.results_file import SCHEMA
from hoibench.results.run_folder import read_run
from hoibench.results.significance import compare_pairs

METHODS, METRICS, SEEDS, CLIPS, CLUSTERS = 10, 20, 3, 1667, 417
CARDS = {
    card.id: card
    for card in (
        fake_runs.card(f"m{n}@1", f"M{n}", "motion/single-view", "m", "lower", cap=9.0) for n in range(METRICS)
    )
}


@pytest.fixture(scope="module")
def million(tmp_path_factory):
    """The folder of a run with 1,000,200 rows."""
    methods = [fake_runs.FakeMethod(f"method{n}", f"Method {n}", {}, families=("ito4g",)) for n in range(METHODS)]
    folder = fake_runs.write_run(
        tmp_path_factory.mktemp("million"), methods, clips=CLIPS, instances=CLUSTERS, metrics=()
    )
    record = read_run(folder).record
    method, seed, clip, metric = (g.ravel() for g in np.indices((METHODS, SEEDS, CLIPS, METRICS)))
    rng = np.random.default_rng(0)
    difficulty = rng.lognormal(0, 0.4, size=(CLIPS, METRICS))
    names = {
        "method": np.array([m.id for m in methods])[method],
        "clip": np.array([c.id for c in record.clips])[clip],
        "metric": np.array(list(CARDS))[metric],
        "seed": seed,
        "prediction": [f"{m:04x}{c:08x}{s:04x}" for m, c, s in zip(method, clip, seed, strict=True)],
        "value": difficulty[clip, metric] * (1 + 0.02 * method) * rng.lognormal(0, 0.3, size=len(method)),
    }
    same = {
        "split": record.split, "clip_set_id": record.clip_set_id, "region": "full", "status": "ok", "unit": "m",
        "weights": "{}", "precision": "fp64", "device": "cpu", "details": "{}", "truth": "synthetic", "pairing": "query", "alignment": "none",
    }  # fmt: skip
    columns = [
        pa.array(names[field.name], field.type) if field.name in names
        else pa.repeat(pa.scalar(same.get(field.name), field.type), len(method))
        for field in SCHEMA
    ]  # fmt: skip
    pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), folder / "results.parquet", compression="zstd")
    return folder


@pytest.mark.benchmark(group="board: 1,000,200 rows, 10 methods, 20 metrics, 1667 clips in 417 clusters")
def test_board_of_a_million_rows(benchmark, million):
    (board,) = benchmark.pedantic(lambda: build_boards([read_run(million)], CARDS), rounds=2, iterations=1)
    assert len(board.cells) == METHODS * METRICS
    assert sum(cell.standing.is_leader for cell in board.cells.values()) == METRICS


@pytest.mark.benchmark(group="comparison: 45 pairs of 10 methods on 500 clips in 500 clusters, 9,999 draws")
def test_pairs_of_a_column(benchmark):
    cost = np.random.default_rng(0).normal(size=(500, 10))
    tests = benchmark.pedantic(
        compare_pairs, (cost, np.ones(cost.shape, bool), np.arange(500)), rounds=5, iterations=1, warmup_rounds=1
    )
    assert len(tests) == 45
