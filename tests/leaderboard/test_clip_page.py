"""The clip page in a real browser: its address, its numbers and the order of its clips, against the board's own."""

from urllib.parse import quote

import fake_runs
import numpy as np
import pytest

from hoibench.results.board import build_boards
from hoibench.results.cell_text import column_decimals, format_number
from hoibench.results.run_folder import read_run
from leaderboard.payloads import row_keys

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def board(site):
    """The board of the run ``seen`` of the site, which is the second one: measured boards come first."""
    return build_boards([read_run(site.parent.parent / "seen")], fake_runs.CARDS)[0]


@pytest.fixture
def open_clip(visit, site):
    def visit_clip(address):
        page = visit(f"{(site.parent / 'clip.html').as_uri()}#{address}")
        page.locator(".clip-numbers td").first.wait_for()
        return page

    return visit_clip


def board_number(page):
    titles = page.locator("select[name=board] option").all_inner_texts()
    return 1 + next(n for n, title in enumerate(titles) if "test_seen" in title)


def test_the_table_has_every_value_its_mean_and_its_place(open_clip, board):
    number = board_number(open_clip(""))
    keys, c = row_keys(board), 7
    rows = [keys.index("syncmv4d"), keys.index("svimo")]
    page = open_clip(f"board={number}&clip={board.clips[c].id}&rows=syncmv4d,svimo")
    page.locator(".clip-numbers summary").click()
    lines = page.locator(".clip-numbers tr.row").all()
    shown = [line.locator("td").all_inner_texts() for line in lines]
    columns = sorted(range(len(board.columns)), key=lambda n: not board.columns[n].card.is_ranked)
    columns = [n for n in columns if board.scores[n].has_value[[*rows, keys.index("ground_truth")], c].any()]
    assert len(shown) == len(columns) > 10
    names = page.locator(".clip-numbers thead").first.locator("th").all_inner_texts()[1:]
    order = [next(m for m, row in enumerate(board.rows) if row.label == name) for name in names]
    assert order[:2] == rows and board.rows[order[2]].method.id == "ground_truth"
    for n, cells in zip(columns, shown, strict=True):
        scores, digits = board.scores[n], column_decimals(board, n)
        for m, text in zip(order, cells, strict=True):
            if not scores.has_own_value[m].any():
                assert text == "–", (m, n)
                continue
            mean = scores.value[m][scores.has_value[m]].mean()
            words = text.split("\n")
            assert words[0] == format_number(scores.value[m, c], digits)
            assert words[1].startswith(f"mean {format_number(mean, digits)}")
            cost = scores.cost[m][scores.has_cost[m]]
            better = int((cost < scores.cost[m, c]).sum())
            if m not in rows:
                assert "clips" not in words[1]
            elif scores.has_cost[m, c] and 2 < better < 20:
                assert words[1].endswith(f" · {better + 1}th of 24 clips")


def test_clips_are_ordered_by_the_worst_and_by_the_largest_difference(open_clip, board):
    number = board_number(open_clip(""))
    page = open_clip(f"board={number}&rows=syncmv4d,svimo")
    (n,) = [n for n, column in enumerate(board.columns) if (column.card.id, column.region) == ("rpe@1", "full")]
    keys = row_keys(board)
    first, second = keys.index("syncmv4d"), keys.index("svimo")
    costs = board.scores[n].cost
    expected = {
        "worst": np.argsort(-costs[first], kind="stable"),
        "difference": np.argsort(-np.abs(costs[first] - costs[second]), kind="stable"),
        "id": np.arange(len(board.clips)),
    }
    page.locator("select[name=order]").select_option("worst")
    page.locator("select[name=column]").select_option(str(n))
    for order, clips in expected.items():
        page.locator("select[name=order]").select_option(order)
        shown = page.locator("select[name=clip] option").evaluate_all("all => all.map(o => Number(o.value))")
        assert shown == clips.tolist(), order
    page.locator("select[name=order]").select_option("difference")
    values = (
        format_number(board.scores[n].value[m, expected["difference"][0]], column_decimals(board, n))
        for m in (first, second)
    )
    assert page.locator("select[name=clip] option").first.inner_text().endswith(" % and ".join(values) + " %")
    page.locator("select[name=order]").select_option("worst")
    page.locator("select[name=clip]").select_option(str(expected["worst"][0]))
    worst = page.locator(".worst li", has_text=board.rows[first].label)
    worst.filter(has_text="RPE").filter(has_text="worst of 24 clips").wait_for()
    page.locator("button.next").click()
    page.wait_for_function(f"location.hash.includes('clip={board.clips[expected['worst'][1]].id}')")
    page.go_back()
    page.wait_for_function(f"location.hash.includes('clip={board.clips[expected['worst'][0]].id}')")


def test_a_failure_stands_with_its_reason(open_clip, board):
    number = board_number(open_clip(""))
    page = open_clip(f"board={number}&clip={board.clips[3].id}&rows=svimo")
    assert "failed: the fitted scale is negative (RPE)" in page.locator(".worst li").inner_text()


WRONG = [
    "board=0&clip=%00&rows=%2C%2C&frame=-1",
    "board=99&clip=../../etc/passwd&rows=__proto__,constructor&frame=1e9",
    f"board=<script>&clip={quote('<img src=x onerror=window.pwned=1>')}&rows={quote('<b>')}&frame=x",
    "=&&&%E0%A4%A",
]


@pytest.mark.parametrize("address", WRONG)
def test_a_wrong_address_shows_the_first_clip(open_clip, address):
    page = open_clip(address)
    assert page.locator("select[name=clip]").input_value() == "0" and page.locator(".problem:visible").count() == 0
    assert page.locator("[name=row]:checked").count() > 0 and page.evaluate("window.pwned") is None
