"""The site of a large board, 50 methods x 500 clips x 12 metrics x 3 seeds: its build, first paint, sorting and filters."""

import json
import shutil
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import sync_playwright

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
        "clips": [
            {"id": clip, "instances": [str(n // 4), "0"], "triplet": [f"tool {n % 7}", "hit", f"target {n % 5}"]}
            for n, clip in enumerate(CLIPS)
        ],
        "methods": [{"id": name, "name": name, "kind": "method", "families": ["i2vm"]} for name in METHODS],
        "seeds": [0, 1, 2], "provenance": {}, "exit": {"status": "done", "failures": []},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="module")
def site(run, tmp_path_factory):
    """The built site, with the processor seconds that it took."""
    start = time.process_time()
    index = build([run], tmp_path_factory.mktemp("site"), CARDS)
    return index, time.process_time() - start


@pytest.mark.benchmark(group="site: 50 methods, 500 clips, 12 metrics, 3 seeds")
def test_build(benchmark, site):
    index, seconds = benchmark.pedantic(lambda: site, rounds=1)
    assert index.stat().st_size < MAX_PAGE_BYTES
    data = [path.stat().st_size for path in (index.parent / "data").iterdir()]
    benchmark.extra_info |= {"processor s": seconds, "index bytes": index.stat().st_size, "data bytes": sum(data)}
    print(
        f"\nbuild: {seconds:.1f} processor s; index {index.stat().st_size / 1e6:.2f} MB; {len(data)} data files, {sum(data) / 1e6:.1f} MB"
    )


FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
SORT = """(place) => {
  document.querySelectorAll('tr.metrics button.title')[place].click();
  document.body.offsetHeight;  // layout
}"""
OPEN_FILTER = """async () => {
  document.querySelector('details.clips-filter').open = true;
  while (!document.querySelector('details.clips-filter select')) await new Promise(requestAnimationFrame);
}"""
FILTER = """async ([name, place]) => {
  const select = document.querySelector(`details.clips-filter select[name=${name}]`);
  select.selectedIndex = place;
  select.dispatchEvent(new Event('change', { bubbles: true }));
  while (!document.querySelector('.filter-state').textContent.includes('of 500 clips')) await new Promise(requestAnimationFrame);
  document.body.offsetHeight;
}"""


@pytest.mark.benchmark(group="site: in the browser")
def test_browser(benchmark, site):
    """Wall time, and the processor time of the page's main thread, which other jobs on the machine change less."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

        def measure(script, argument=None):
            """Return (wall, processor) milliseconds of a script and of the drawing after it."""
            before, start = read_seconds(devtools), time.perf_counter()
            page.evaluate(script, argument)
            wall = time.perf_counter() - start
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
            return 1000 * wall, 1000 * (read_seconds(devtools) - before)

        benchmark.pedantic(page.goto, (site[0].as_uri(),), rounds=1)
        page.wait_for_function(FIRST_PAINT)
        paint = page.evaluate(FIRST_PAINT)
        sorts = [measure(SORT, place) for place in range(8)]
        page.evaluate(OPEN_FILTER)
        filters = [measure(FILTER, choice) for choice in (("tool", 1), ("tool", 2), ("seed", 1), ("target", 1))]
        browser.close()
    benchmark.extra_info |= {"first paint ms": paint, "sorts": sorts, "filters": filters}
    print(f"\nfirst paint {paint:.0f} ms")
    for name, found in (("sort", sorts), ("filter, first reads the files", filters)):
        print(f"{name} (wall, processor ms): {', '.join(f'{wall:.0f}, {processor:.0f}' for wall, processor in found)}")


def read_seconds(devtools):
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return next(each["value"] for each in metrics if each["name"] == "TaskDuration")
