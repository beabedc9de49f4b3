"""The time and memory of large runs: ``python tests/benchmarks/scale.py scan|plan|page [N]``; prints processor seconds and the peak of memory.

scan: N units (default 10^5) with files of real sizes, which are sparse, and the time in which a resumed run finds them complete.
plan: a plan of at least N units (10^6), its record and the counts of its progress.
page: N result rows with values of whole clips (10^7), and the page of them, without videos.
"""

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import fake_runs
from listed_clips import ListedClips

from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.build_run_record import build_record
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.run_progress import RunProgress
from hoibench.evaluation.scorer import is_scored
from hoibench.evaluation.unit import Unit
from hoibench.predictions import FileChecksum, PredictionRecord, is_complete
from hoibench.results.results_file import SCHEMA
from hoibench.results.run_folder import read_run
from hoibench.results.score_file import append_finished
from leaderboard.build import SiteOptions, build

SIZES = {"view-0.mp4": 107_995, "view-1.mp4": 112_856, "view-2.mp4": 116_886, "tracks.npz": 135_255}
ROWS_SIZE = 168_324
METRICS = [f"metric_{n}/name@1" for n in range(25)]


def scan(folder, number):
    units = [Unit(f"method{n // 1000}", None, 0, f"clip_{n % 1000:05d}") for n in range(number)]
    files = {name: FileChecksum(bytes=size, sha256="0" * 64) for name, size in SIZES.items()}
    for unit in units:
        prediction, scores = unit.prediction_folder(folder), unit.score_file(folder)
        prediction.mkdir(parents=True)
        scores.parent.mkdir(parents=True, exist_ok=True)
        for path, size in [(prediction / name, size) for name, size in SIZES.items()] + [(scores, ROWS_SIZE)]:
            path.touch()
            os.truncate(path, size)
        record = PredictionRecord(scale="metric", files=files, unit=unit.key, seconds=1.0)
        (prediction / "prediction.json").write_text(json.dumps(record.to_json(), indent=1))
        with scores.open("r+b") as stream:
            stream.seek(-1, os.SEEK_END)
            stream.write(b"\n")
        append_finished(scores, METRICS)
    context = SimpleNamespace(out=folder, cards=[SimpleNamespace(id=metric) for metric in METRICS])
    checks = {
        "predictions": lambda unit: is_complete(unit.prediction_folder(folder)),
        "predictions and rows": lambda unit: is_scored(context, unit),
    }
    for name, check in checks.items():
        start, wall = time.process_time(), time.perf_counter()
        assert all(map(check, units))
        print(
            f"{name} of {number} units: {time.process_time() - start:.1f} s, by the clock {time.perf_counter() - wall:.1f} s"
        )


class Clips(ListedClips):
    """10^4 clips."""

    entries = tuple(
        ClipEntry(f"2023{n:06d}", ("hammer", "hit", "toy"), ("1", str(n)), ("a", "b")) for n in range(10_000)
    )


def plan(folder, number):
    seeds = tuple(range(-(-(number // len(Clips.entries) - 3) // 3)))
    config = RunConfig(dataset="toy", method=("frozen",), metrics="rpe", seed=seeds, out=folder)
    made = make_plan(config, Clips(), "cpu")
    counts = RunProgress(made.units, None)
    build_record(made).write(folder / "run.json")
    print(f"{len(made.units)} units, {(folder / 'run.json').stat().st_size} bytes of run.json")
    del counts  # they are in memory until here, as in a run


def page(folder, number):
    methods, metrics, seeds = 10, 20, 5
    clips = number // (methods * metrics * seeds)
    cards = [fake_runs.card(f"m{n}@1", f"M{n}", "motion/single-view", "m", "lower", cap=9.0) for n in range(metrics)]
    fakes = [fake_runs.FakeMethod(f"method{n}", f"Method {n}", {}, families=("ito4g",)) for n in range(methods)]
    fake_runs.write_run(folder, fakes, clips=clips, instances=max(clips // 4, 1), seeds=range(seeds), metrics=())
    record = read_run(folder).record
    rng = np.random.default_rng(0)
    difficulty = rng.lognormal(0, 0.4, size=(clips, metrics))
    clip, metric = (grid.ravel() for grid in np.indices((clips, metrics)))
    same = {
        "split": record.split, "clip_set_id": record.clip_set_id, "region": "full", "status": "ok", "unit": "m",
        "weights": "{}", "precision": "fp32", "device": "cpu", "details": '{"ratio": 0.123456789}', "truth": "synthetic",
        "pairing": "query", "alignment": "none",
    }  # fmt: skip
    with pq.ParquetWriter(folder / "results.parquet", SCHEMA, compression="zstd") as writer:
        for m, seed in np.ndindex(methods, seeds):
            names = {
                "clip": np.array([entry.id for entry in record.clips])[clip],
                "metric": np.array([card.id for card in cards])[metric],
                "prediction": [f"{m:04x}{c:08x}{seed:04x}" for c in clip],
                "value": difficulty[clip, metric] * (1 + 0.02 * m) * rng.lognormal(0, 0.3, size=len(clip)),
            }
            constant = same | {"method": f"method{m}", "seed": seed}
            columns = [
                pa.array(names[field.name], field.type) if field.name in names
                else pa.repeat(pa.scalar(constant.get(field.name), field.type), len(clip))
                for field in SCHEMA
            ]  # fmt: skip
            writer.write_table(pa.Table.from_arrays(columns, schema=SCHEMA))
    start = time.process_time()
    build([folder], folder / "leaderboard", {card.id: card for card in cards}, options=SiteOptions(media_clips=0))
    print(f"a page of {methods * metrics * seeds * clips} rows: {time.process_time() - start:.1f} s")


if __name__ == "__main__":
    task, default = {"scan": (scan, 10**5), "plan": (plan, 10**6), "page": (page, 10**7)}[sys.argv[1]]
    with tempfile.TemporaryDirectory() as name:
        begin = time.process_time()
        task(Path(name) / "run" if task is scan else Path(name), int(sys.argv[2]) if len(sys.argv) > 2 else default)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"in all {time.process_time() - begin:.1f} s, at most {peak:.2f} GB")
