"""Views for the templates: marks, scales, coverage, presets."""

import math
import re
from dataclasses import replace

import fake_runs
import pytest

from hoibench.results.board import build_boards
from hoibench.results.run_folder import read_run
from leaderboard.bars import BarScale, column_scale
from leaderboard.board_view import build_board_view
from leaderboard.build import build
from leaderboard.run_view import build_run_view


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A board on which two rows have incomplete coverage of rpe, and svimo has two presets."""
    coverage = {"syncmv4d": 0.97, "svimo": 0.9996}

    def uncover(row):
        return row | (
            {"coverage": coverage[row["method"]]} if row["metric"] == "rpe@1" and row["method"] in coverage else {}
        )

    svimo = next(method for method in fake_runs.METHODS if method.id == "svimo")
    methods = [*fake_runs.REFERENCE_ROWS, *(a for a in fake_runs.METHODS if a.id != "svimo")]
    methods += [replace(svimo, more=svimo.more | {"preset": preset}) for preset in ("large", "small")]
    metrics = ("rpe@1", "mv_rpe_scene@1", "matching_pixels/sift-mnn@1", "smoothness@1")
    run = fake_runs.write_run(
        tmp_path_factory.mktemp("views") / "run", methods, clips=12, metrics=metrics, edit=uncover
    )
    (built,) = build_boards([read_run(run)], fake_runs.CARDS)
    return built


@pytest.fixture(scope="module")
def rows(board):
    """The rows of the full frame by label, each cell by its metric."""
    table = build_board_view(board, {id: n for n, id in enumerate(fake_runs.CARDS)}).tables[0]
    metrics = [column.card.id for column in board.columns if column.region == "full"]
    return {row.label: dict(zip(metrics, row.cells, strict=True)) for section in table.sections for row in section.rows}


def test_leader_and_tied_rows_have_marks(rows):
    assert rows["SyncMV4D"]["mv_rpe_scene@1"].mark == "leader"
    assert [rows[f"SViMo [{preset}]"]["mv_rpe_scene@1"].mark for preset in ("large", "small")] == ["tied", "tied"]
    assert rows["GeometryCrafter"]["rpe@1"].mark == "leader" and rows["Geo4D"]["rpe@1"].mark == ""
    assert rows["Random"]["rpe@1"].mark == ""


@pytest.fixture(scope="module")
def text(board, tmp_path_factory):
    return build([board.runs[0].folder], tmp_path_factory.mktemp("page"), fake_runs.CARDS).read_text()


def test_a_page_draws_the_marks(text):
    assert re.search(
        r'<td class="ok leader"[^>]*><button [^>]*class="value"[^>]*>[^<]* <span class="mark" title="best of its class">●',
        text,
    )
    assert re.search(
        r'<td class="ok tied"[^>]*><button [^>]*class="value"[^>]*>[^<]* <span class="mark" title="not significantly worse than the leader">○',
        text,
    )
    assert "SViMo [large]" in text and "SViMo [small]" in text


def test_each_preset_of_a_method_has_its_own_row(board):
    keys = [row.method.key for row in board.rows]
    assert {"svimo+large", "svimo+small"} <= set(keys) and len(set(keys)) == len(keys)
    assert all(row.seeds == 3 for row in board.rows)


def test_the_view_of_a_run_comes_from_its_record(tmp_path):
    ours = fake_runs.METHODS[0]
    set_up = replace(ours, more=ours.more | {"preset": "micro", "settings": {"checkpoint": "a/b", "steps": 9}})
    folder = fake_runs.write_run(
        tmp_path / "run", [set_up, fake_runs.METHODS[1]], clips=2, seeds=(0, 4), metrics=("rpe@1",),
        provenance={"created": "today", "command": "hoibench run", "git": {"dirty": True}, "versions": {"numpy": "2"}},
        exit={"status": "over_budget", "failures": [{"unit": f"u{n}", "stage": "s", "reason": "r"} for n in range(43)]},
    )  # fmt: skip
    found = build_run_view(read_run(folder))
    sections = {title: dict(pairs) for title, pairs in found.sections}
    data, settings, provenance = sections["Data"], sections["Settings"], sections["Code and machine"]
    assert (found.name, found.status, found.command, found.failures) == ("run", "over budget", "hoibench run", 43)
    assert settings == {"syncmv4d+micro": "checkpoint = a/b, steps = 9", "config hash": "c" * 64}
    assert "command" not in provenance
    assert (data["seeds"], provenance["created"], provenance["git dirty"], provenance["versions numpy"]) == (
        "0, 4",
        "today",
        "yes",
        "2",
    )
    assert data["clips"] == "2"


def test_badges_and_links_come_from_methods_and_cards(board):
    places = {column.card.id: n for n, column in enumerate(board.columns, start=1)}
    table = build_board_view(board, places).tables[0]
    heads = [column.card.id for column in board.columns if column.region == "full"]
    assert [head.card for head in table.columns] == [places[metric] for metric in heads]
    assert {head.card for head in build_board_view(board, {}).tables[0].columns} == {None}
    lines = {row.label: row for section in table.sections for row in section.rows}
    assert lines["SyncMV4D"].badges == ("views together", "paired by query", "query anchors")
    assert lines["SyncMV4D"].families == (("I2VM", False), ("Ito4G", False))
    assert lines["Geo4D"].families == (("Vto4R", True),)
    assert lines["WAN2.2"].badges == ("one view at a time",)
    assert lines["Ground truth"].badges == ()
    assert lines["SyncMV4D"].link == "https://arxiv.org/abs/2511.19319" and lines["Geo4D"].link is None
    rpe = heads.index("rpe@1")
    assert "scale per view" in lines["Geo4D"].cells[rpe].extras
    assert not any("scale" in text for text in lines["SyncMV4D"].cells[rpe].extras)


def test_alignment_and_pairing_floor_stand_under_the_value(tmp_path):
    conditions = {"pairing": "oracle-projection", "alignment": "scale_shift"}
    method = replace(next(method for method in fake_runs.METHODS if method.id == "geo4d"), conditions=conditions)
    fake_runs.write_run(
        tmp_path / "run",
        [method],
        clips=2,
        metrics=("rpe@1",),
        edit=lambda row: row | {"details": {"pairing_floor": 0.25}},
    )
    (built,) = build_boards([read_run(tmp_path / "run")], fake_runs.CARDS)
    ((line,),) = [section.rows for section in build_board_view(built, {}).tables[0].sections]
    assert line.cells[0].extras[-2:] == ("0.25 by pairing alone", "scale and shift, per view")


def test_reference_rows_have_no_badges(tmp_path):
    given = {"pairing": "query", "privileges": ("the truth",)}
    methods = [replace(fake_runs.REFERENCE_ROWS[0], more=given), fake_runs.METHODS[0]]
    run = fake_runs.write_run(tmp_path / "run", methods, clips=2, seeds=(0,), metrics=("rpe@1",))
    (built,) = build_boards([read_run(run)], fake_runs.CARDS)
    lines = [row for section in build_board_view(built, {}).tables[0].sections for row in section.rows]
    assert [row.badges for row in lines] == [("views together", "paired by query", "query anchors"), ()]


def test_cells_sort_by_cost(board, rows):
    cells = {
        (board.rows[m].label, board.columns[n].card.id): c
        for (m, n), c in board.cells.items()
        if board.columns[n].region == "full"
    }
    for metric, order in (
        ("rpe@1", lambda cell: cell.value),
        ("matching_pixels/sift-mnn@1", lambda cell: -cell.value),
        ("smoothness@1", lambda cell: math.log(cell.ratio_factor)),
    ):
        assert rows["SyncMV4D"][metric].order == pytest.approx(order(cells["SyncMV4D", metric]))
    assert rows["DaS"]["rpe@1"].order is None


def test_coverage_is_shown_unless_it_rounds_to_all(rows):
    assert "covers 97.0 %" in rows["SyncMV4D"]["rpe@1"].extras
    assert not any("covers" in text for text in rows["SViMo [large]"]["rpe@1"].extras)
    assert not any("covers" in text for text in rows["Ground truth"]["rpe@1"].extras)


def test_a_value_that_a_still_video_would_earn_is_grey_with_a_note(tmp_path):
    metrics = ("dynamic_degree/dis@1", "matching_pixels/sift-mnn@1")
    run = fake_runs.write_run(tmp_path / "run", clips=4, metrics=metrics)
    text = build([run], tmp_path / "page", fake_runs.CARDS).read_text()
    (built,) = build_boards([read_run(run)], fake_runs.CARDS)
    table = build_board_view(built, {}).tables[0]
    cells = {row.label: row.cells[1] for section in table.sections for row in section.rows}
    assert [cells[name].is_grey for name in ("Frozen first frame", "WAN2.2", "SyncMV4D", "Ground truth")] == [
        True,
        True,
        False,
        False,
    ]
    (note,) = [table.notes[n - 1] for n in cells["WAN2.2"].notes]
    assert re.match(r"Greyed: Dyn\. Deg\. \(DIS\) is 0\.3\d+, the truth's ", note)
    frozen = cells["Frozen first frame"]
    assert frozen.notes == () and dict(frozen.details)["greyed"].startswith("Dyn. Deg. (DIS) is 0, the truth's ")
    assert re.search(r'<td class="ok grey" data-column="\d+" data-group="video-multi-view"', text)


def test_bars_span_the_methods_and_the_means_of_the_truth_and_its_first_frame(board, rows):
    (n,) = [n for n, c in enumerate(board.columns) if (c.card.id, c.region) == ("rpe@1", "full")]
    cells = {row.label: board.cells[m, n] for m, row in enumerate(board.rows)}
    means = {name: cell.value for name, cell in cells.items()}
    assert means["Random"] > means["Frozen first frame"] > max(means["Geo4D"], means["SyncMV4D"])
    assert column_scale(board, n) == BarScale(means["Ground truth"], means["Frozen first frame"])
    assert rows["Random"]["rpe@1"].bar is None and rows["DaS"]["rpe@1"].bar is None
    interval, bar = cells["Geo4D"].interval, rows["Geo4D"]["rpe@1"].bar
    for x, value in ((bar.low, interval.low), (bar.mean, cells["Geo4D"].value), (bar.high, interval.high)):
        assert x == pytest.approx(4 + 68 * value / means["Frozen first frame"], abs=0.05)  # the truth's mean is 0
    only_reference_rows = replace(board, rows=tuple(row for row in board.rows if row.role != "ranked"))
    assert column_scale(only_reference_rows, n) is None


def test_the_reason_of_one_value_of_a_row_is_a_note_of_its_cell(tmp_path):
    def breaks(row):
        once = (row["method"], row["metric"], row["clip"][-3:]) == ("svimo", "rpe@1", "001")
        return row | ({"value": None, "status": "error", "reason": "division by zero"} if once else {})

    run = fake_runs.write_run(
        tmp_path / "run", fake_runs.METHODS[:2], clips=6, metrics=("rpe@1", "chamfer@1"), edit=breaks
    )
    (built,) = build_boards([read_run(run)], fake_runs.CARDS)
    (table,) = build_board_view(built, {}).tables
    (line,) = [row for section in table.sections for row in section.rows if row.label == "SViMo"]
    assert line.notes == () and line.cells[1].notes == ()
    assert [table.notes[n - 1] for n in line.cells[0].notes] == ["Not ranked: scoring raised an error on 1 clip."]


def test_a_reason_that_all_values_of_a_row_share_is_a_note_of_the_row(tmp_path):
    run = fake_runs.write_run(tmp_path / "run", seeds=(0, 1), clips=4)
    (built,) = build_boards([read_run(run)], fake_runs.CARDS)
    table = build_board_view(built, {}).tables[0]
    lines = {row.label: row for section in table.sections for row in section.rows}
    (note,) = lines["SyncMV4D"].notes
    assert table.notes[note - 1] == "Not ranked: 2 seeds; a generative method needs at least 3 to be ranked."
    assert not any(note in cell.notes for cell in lines["SyncMV4D"].cells)
    assert lines["SyncMV4D"].seeds == "2 seeds" and lines["Random"].seeds == ""
    assert lines["Random"].notes == () and not any(
        "reference row" in table.notes[n - 1] for cell in lines["Random"].cells for n in cell.notes
    )
