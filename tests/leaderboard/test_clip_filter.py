"""Filters of the board in a real browser: means and intervals over some of the clips or of one seed, the same as Python's."""

import math
import re
import shutil

import fake_runs
import numpy as np
import pytest

from hoibench.reference_rows import GROUND_TRUTH
from hoibench.results.board import build_boards
from hoibench.results.cell_text import column_decimals, format_number
from hoibench.results.clip_scores import clip_scores
from hoibench.results.confidence_intervals import mean_intervals
from hoibench.results.run_folder import read_run

pytestmark = pytest.mark.browser
SEEN = "section.board:has(h2:text('test_seen'))"
CELLS = f"{SEEN} div.table:visible tr.row td:visible"


@pytest.fixture(scope="module")
def board(site):
    (found,) = build_boards([read_run(site.parent.parent / "seen")], fake_runs.CARDS)
    return found


@pytest.fixture
def page(visit, site):
    return open_filter(visit(site.as_uri()))


def open_filter(page):
    """Show all columns of the board and the choices of its filter."""
    page.locator(SEEN).get_by_label("secondary metrics").check()
    if (folded := page.locator(SEEN).locator("input[name=folded]")).count():
        folded.check()
    page.locator(f"{SEEN} details.clips-filter summary").click()
    page.locator(f"{SEEN} details.clips-filter select").first.wait_for()
    return page


def choose(page, **choices):
    for name, text in choices.items():
        page.locator(f"{SEEN} details.clips-filter select[name={name}]").select_option(label=text)


def state(page):
    """The sentence under the filters, once the values are read."""
    place = page.locator(f"{SEEN} details.clips-filter .filter-state")
    page.wait_for_function("e => !e.textContent.startsWith('Reading')", arg=place.element_handle())
    return place.inner_text()


def read_cells(page):
    """The visible cells by (row, column): sort key and texts."""
    script = """cells => cells.map(cell => {
      const text = (selector) => cell.querySelector(selector)?.textContent.trim() ?? null;
      return [Number(cell.parentElement.dataset.row), Number(cell.dataset.column), {
        order: cell.dataset.order ?? null, value: text('.value'), interval: text('.interval'), count: text('.count'),
        failed: text('.failed-clips'), mark: text('.mark'),
        extras: [...cell.querySelectorAll('.extra')].map(e => e.textContent) }];
    })"""
    return {(m, n): cell for m, n, cell in page.locator(CELLS).evaluate_all(script)}


def raw_summaries(page, board, seed):
    """The numbers of every cell over the chosen clips, as the page computes them."""
    script = """async ([name, places, seed]) => {
      const board = await hoibench.load(name), found = [];
      for (const column of board.columns) {
        const data = await hoibench.loadColumn(column, seed);
        found.push(board.rows.map((_, m) => hoibench.summarize(column, data, m, places, board)));
      }
      return found;
    }"""
    name = page.locator(SEEN).get_attribute("data-board")
    return lambda places: page.evaluate(script, [name, places, seed])


def scores_of(board, n, places, seed):
    """The scores of a column from the results of some clips alone, or of one seed."""
    if seed is not None:
        return board.scores_of_seed(seed)[n]
    part = board.parts[n]
    part = part[~part["is_repeated"] & part["clip_index"].isin(places)]
    truth = next((m for m, row in enumerate(board.rows) if row.method.id == GROUND_TRUTH), None)
    return clip_scores(part, (len(board.rows), len(board.clips)), board.columns[n].card, truth)


FILTERS = [
    ({"action": "dust"}, lambda clip: clip.triplet[1] == "dust", None),
    ({"target": "pan", "tag": "unseen_object"}, lambda clip: clip.triplet[2] == "pan" and clip.tags, None),
    ({"seed": "1"}, lambda clip: True, 1),
    ({"seed": "2", "tool": "hammer"}, lambda clip: clip.triplet[0] == "hammer", 2),
]


@pytest.mark.parametrize(
    ("choices", "is_chosen", "seed"),
    FILTERS,
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_filtered_cells_are_those_of_python(page, board, choices, is_chosen, seed):
    choose(page, **choices)
    places = [c for c, clip in enumerate(board.clips) if is_chosen(clip)]
    sentence = state(page)
    assert sentence.startswith(
        f"{f'Seed {seed}, ' if seed is not None else ''}{len(places)} of 24 clips, {len(places)} object pair"
    )
    cells, columns = read_cells(page), raw_summaries(page, board, seed)(places)
    assert len(cells) == len(board.rows) * len(board.columns_in("full"))
    kinds = set()
    for n, column in enumerate(board.columns):
        scores, digits = scores_of(board, n, places, seed), column_decimals(board, n)
        intervals = mean_intervals(
            scores.own_value[:, places].T,
            scores.has_own_value[:, places].T,
            board.cluster_labels[places],
            column.card.bounds,
        )
        for m in range(len(board.rows)):
            has, has_own, has_cost = (
                scores.has_value[m, places],
                scores.has_own_value[m, places],
                scores.has_cost[m, places],
            )
            failed = int(((scores.failed_seeds[m, places] > 0) & ~has_own).sum())
            raw, shown = columns[n][m], cells.get((m, n))
            assert (raw["answered"], raw["failed"], raw["expected"]) == (has_own.sum(), failed, len(places))
            if not has_own.any() or board.cells[m, n].status == "withheld":
                kinds.add("empty")
                assert raw["value"] is None and (shown is None or (shown["value"], shown["order"]) == (None, None))
                continue
            value, interval = float(scores.value[m, places][has].mean()), intervals[m]
            cost = float(scores.cost[m, places][has_cost].mean()) if has_cost.any() else None
            order = value if column.card.direction == "none" else cost
            assert raw["value"] == pytest.approx(value, rel=1e-9) and raw["order"] == pytest.approx(
                order, rel=1e-9, abs=1e-12
            )
            assert (raw["interval"] is None) == (interval is None)
            if interval:
                ends = [raw["interval"]["low"], raw["interval"]["high"]]
                assert ends == pytest.approx([interval.low, interval.high], rel=1e-9, abs=1e-12)
            if shown is None:
                continue
            failed_seeds = scores.failed_seeds[m, places].sum()
            kinds.add("failed" if failed_seeds else "plain")
            assert float(shown["order"]) == pytest.approx(order, rel=1e-9, abs=1e-12) and shown["mark"] is None
            assert shown["value"] == format_number(value, digits)
            assert shown["failed"] == (f"{failed} of {len(places)} failed" if failed else None)
            if board.rows[m].role != "ranked":
                continue
            assert shown["count"] == f"{has_own.sum()}/{len(places)}"
            ends = interval and " – ".join(format_number(end, digits) for end in (interval.low, interval.high))
            assert shown["interval"] == (None if failed_seeds else ends)
            if column.card.direction == "ratio":
                assert f"{math.exp(cost):.2f}× off" in shown["extras"]
    assert kinds >= {"plain", "empty"}


def test_the_whole_board_returns_and_missing_values_are_last_both_ways(page):
    html = lambda: page.locator(f"{SEEN} table").evaluate_all("tables => tables.map(t => t.tBodies[0].innerHTML)")  # noqa: E731
    before = html()
    choose(page, tool="brush", seed="0")
    assert "8 of 24 clips" in state(page) and page.locator(f"{SEEN} td .mark:visible").count() == 0
    head = page.locator(f"{SEEN} div.table:visible tr.metrics").get_by_role(
        "button", name="Mat. Pix. moving", exact=True
    )
    place = head.evaluate("button => button.closest('th').cellIndex")
    for reverse in (False, True):
        head.click()
        script = "(bodies, n) => bodies.map(b => [...b.querySelectorAll('tr.row')].map(r => r.cells[n].dataset.order ?? null))"
        bodies = page.locator(f"{SEEN} div.table:visible tbody[data-sortable]").evaluate_all(script, place)
        assert any(None in keys and len(keys) > 1 for keys in bodies)
        for keys in bodies:
            numbers = [float(key) for key in keys if key is not None]
            assert keys[len(numbers) :] == [None] * (len(keys) - len(numbers)) and numbers == sorted(
                numbers, reverse=reverse
            )
    head.click()
    page.locator(SEEN).get_by_role("button", name="All clips and seeds").click()
    assert state(page) == "" and html() == before


def test_the_last_choice_wins_and_shown_columns_are_filtered(page, board):
    choose(page, tool="hammer")
    choose(page, tool="brush")
    page.locator(SEEN).get_by_role("radio", name="foreground").check()
    assert state(page).startswith("8 of 24 clips")
    places = [c for c, clip in enumerate(board.clips) if clip.triplet[0] == "brush"]
    cells = read_cells(page)
    assert {n for _, n in cells} == set(board.columns_in("fg"))
    for (m, n), cell in cells.items():
        scores = board.scores[n]
        value = scores.value[m, places][scores.has_value[m, places]]
        assert cell["value"] == (format_number(float(value.mean()), column_decimals(board, n)) if len(value) else None)


def test_a_missing_data_file_is_named(visit, site, tmp_path):
    shutil.copytree(site.parent, tmp_path / "site")
    for path in (tmp_path / "site" / "data").glob("b*-s1.js"):
        path.unlink()
    page = open_filter(visit((tmp_path / "site" / "index.html").as_uri()))
    choose(page, seed="1")
    assert re.search(r"data/b\d-c\d\d-s1\.js cannot be read", state(page))
    choose(page, seed="2")
    assert state(page).startswith("Seed 2, 24 of 24 clips")
    assert page.messages and all("ERR_FILE_NOT_FOUND" in text or "-s1.js" in text for text in page.messages)
    page.messages.clear()


def test_numbers_are_written_as_python_writes_them(page):
    rng = np.random.default_rng(0)
    cases = [
        (float(v), d)
        for v, d in zip(
            rng.normal(size=400) * 10.0 ** rng.integers(-4, 5, 400), rng.integers(0, 7, 400).tolist(), strict=True
        )
    ]
    cases += [
        (v, d)
        for v in (0.0, 0.5, 1.5, 2.5, -2.5, 0.125, 0.375, -0.125, 1.005, 2.675, 0.00048828125, 1e-9, 1e15)
        for d in range(5)
    ]
    found = page.evaluate("cases => cases.map(([v, d]) => hoibench.formatNumber(v, d))", cases)
    assert found == [format_number(value, decimals) for value, decimals in cases]
