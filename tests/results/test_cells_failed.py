"""A method that failed has no number anywhere: on the board, on the page, in the terminal, in comparisons."""

import re

import fake_runs
import pandas as pd
import pytest

from hoibench.cli.main import main
from hoibench.results.board import build_boards
from hoibench.results.cell_text import failure_text
from hoibench.results.notable_clips import worst_clips
from hoibench.results.run_folder import read_run
from leaderboard.build import build

CLIPS = 6
FROZEN_SELF = "frozen_self/svimo"
METHODS = [
    *(row for row in fake_runs.REFERENCE_ROWS if row.id in ("ground_truth", "frozen")),
    fake_runs.FakeMethod(FROZEN_SELF, "Frozen self: SViMo", fake_runs.METHODS[1].means, "reference"),
    *fake_runs.METHODS[:2],
]
CARDS = fake_runs.CARDS | {
    "psnr@1": fake_runs.CARDS["psnr@1"].model_copy(update={"direction": "truth_distance"}),
    "chamfer@1": fake_runs.CARDS["chamfer@1"].model_copy(update={"direction": "none"}),
}


def fail(row, clips, status="failed", reason="KeyError: 'prompt'"):
    """Take the value of a row of SViMo on the first ``clips`` clips."""
    if row["method"] not in ("svimo", FROZEN_SELF) or int(row["clip"][-3:]) >= clips:
        return row
    return row | {"value": None, "status": status, "reason": reason, "details": {}}


def write(folder, edit, metrics=tuple(fake_runs.CARDS)):
    return fake_runs.write_run(folder, METHODS, clips=CLIPS, metrics=metrics, edit=edit)


def cells_of(folder, method):
    (board,) = build_boards([read_run(folder)], CARDS)
    (m,) = [n for n, row in enumerate(board.rows) if row.method.id == method]
    return {(c.card.id, c.region): board.cells[m, n] for n, c in enumerate(board.columns)}


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """A run in which SViMo failed on every clip."""
    return write(tmp_path_factory.mktemp("failed") / "run", lambda row: fail(row, CLIPS))


@pytest.mark.parametrize("method", ["svimo", FROZEN_SELF])
def test_no_cell_of_a_failed_method_has_a_number(failed, method):
    cells = cells_of(failed, method)
    assert {column.card.direction for column in build_boards([read_run(failed)], CARDS)[0].columns} == {
        "lower", "higher", "ratio", "truth_distance", "none",
    }  # fmt: skip
    for cell in cells.values():
        assert (cell.status, cell.reason, failure_text(cell)) == ("failed", "KeyError: 'prompt'", "failed 0/6")
        numbers = (
            cell.value,
            cell.order,
            cell.ratio_factor,
            cell.truth_distance,
            cell.detail,
            cell.value_over_answered,
        )
        assert set(numbers) == {None} and cell.interval is None


def test_the_page_shows_failed_and_no_digit_beside_it(failed, tmp_path):
    text = build([failed], tmp_path, CARDS).read_text()
    row = re.search(r'<tr class="row"[^>]*>\s*<th[^>]*>\s*<span class="label">SViMo<.*?</tr>', text, re.S)[0]
    cells = [re.sub(r"<sup>.*?</sup>|<[^>]*>", "", cell) for cell in re.findall(r"<td.*?</td>", row, re.S)]
    assert set(cells) == {"failed 0/6"} and len(cells) > 8
    assert re.search(r"<li id=\"b1-1-note-\d+\">Failed: KeyError: &#39;prompt&#39;</li>", text)


def test_the_terminal_shows_failed_in_tables_and_comparisons(failed, monkeypatch, capsys):
    monkeypatch.setattr("hoibench.metric_card.all_cards", lambda: CARDS)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["show", str(failed), "--method", "svimo", "--metrics", "rpe"]) == 0
    printed = capsys.readouterr().out
    assert "failed: KeyError" in printed and not re.search(r"\b100\b", printed)
    assert main(["compare", str(failed), "--metrics", "rpe", "--csv", str(failed / "out.csv")]) == 0
    printed = capsys.readouterr().out
    (line,) = pd.read_csv(failed / "out.csv").to_dict("records")
    assert (
        line["clips"] == 0 and line["mean_first"] != line["mean_first"] and line["mean_second"] != line["mean_second"]
    )
    assert "SViMo: no value, failed 0/6: KeyError: 'prompt'" in printed and "SViMo (failed 0/6) -" in printed
    assert main(["power", str(failed), "--metrics", "rpe"]) == 2
    assert "has values of all of SViMo, SyncMV4D" in capsys.readouterr().err
    (board,) = build_boards([read_run(failed)], CARDS)
    (n,) = [n for n, c in enumerate(board.columns) if c.card.id == "rpe@1"]
    assert {clip.rows for clip in worst_clips(board, n, 50)} == {("SyncMV4D",)}


@pytest.mark.parametrize(("clips", "headline", "unranked"), [
    (2, "2 of 6 failed", None), (3, "3 of 6 failed", None), (4, "4 of 6 failed", "more than half of its clips failed"),
])  # fmt: skip
def test_a_method_that_failed_on_some_clips_says_so_before_its_number(tmp_path, clips, headline, unranked):
    run = write(tmp_path / "run", lambda row: fail(row, clips), ("rpe@1",))
    cell = cells_of(run, "svimo")["rpe@1", "full"]
    assert (failure_text(cell), cell.standing.unranked) == (
        headline,
        unranked,
    ) and cell.value > cell.value_over_answered
    text = build([run], tmp_path / "page", CARDS).read_text()
    assert f'<span class="failed-clips">{headline}</span><button type="button" class="value"' in text


@pytest.mark.parametrize("status", ["unavailable", "undefined"])
def test_a_method_with_values_on_few_clips_is_not_ranked(tmp_path, status):
    """A status that is no failure; an undefined value is one where the truth has a value."""
    cell = cells_of(write(tmp_path / "run", lambda row: fail(row, 4, status), ("rpe@1",)), "svimo")["rpe@1", "full"]
    few = "values on 2 of 6 clips" if status == "unavailable" else "more than half of its clips failed"
    assert cell.standing.unranked == few and cell.answered == 2


def test_one_failure_among_other_reasons_makes_a_cell_failed(tmp_path):
    def edit(row):
        row = fail(row, CLIPS, "error", "load: the clip is damaged")
        return fail(row, 2)

    cell = cells_of(write(tmp_path / "run", edit, ("rpe@1",)), "svimo")["rpe@1", "full"]
    assert (cell.status, cell.reason, failure_text(cell)) == ("failed", "KeyError: 'prompt'", "failed 0/6")


def test_a_metric_that_never_applies_to_a_failed_method_is_not_applicable(tmp_path):
    def edit(row):
        row = fail(row, CLIPS)
        return fail(row, 1, "not_applicable", "no video")

    cell = cells_of(write(tmp_path / "run", edit, ("rpe@1",)), "svimo")["rpe@1", "full"]
    assert (cell.status, cell.reason, failure_text(cell)) == ("not_applicable", "no video", "")


def test_a_missing_companion_does_not_hide_a_failure(tmp_path):
    run = write(tmp_path / "run", lambda row: fail(row, CLIPS), ("xv_rpe@1", "mv_rpe_scene@1"))
    assert cells_of(run, "svimo")["xv_rpe@1", "full"].status == "failed"
