"""The files of a board: the same numbers in all five, their origin, and hostile texts that stay in their cells."""

import json
import re
from dataclasses import replace

import fake_runs
import pandas as pd
import pyarrow.parquet as pq
import pytest

from hoibench.results.board import build_boards
from hoibench.results.board_export import caption, write_exports
from hoibench.results.cell_text import column_decimals, format_number
from hoibench.results.run_folder import read_run

HOSTILE = '=1+1 | a\\b & "c", {d}_e\n<b> %'


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    methods = [replace(method, name=HOSTILE) if method.id == "svimo" else method for method in fake_runs.METHODS[:2]]

    def fail(row):
        if row["method"] == "svimo" and row["metric"] == "rpe@1" and row["clip"].endswith("_003"):
            return row | {"value": None, "status": "failed", "reason": "@reason"}
        return row

    folder = fake_runs.write_run(
        tmp_path_factory.mktemp("export") / "run",
        (fake_runs.REFERENCE_ROWS[0], *methods),
        edit=fail,
        metrics=("rpe@1", "psnr@1", "smoothness@1", "dynamic_degree/dis@1"),
    )
    (board,) = build_boards([read_run(folder)], fake_runs.CARDS)
    return board


@pytest.fixture(scope="module")
def files(board, tmp_path_factory):
    return {path.suffix: path for path in write_exports(board, tmp_path_factory.mktemp("files"), "board-1")}


def test_tables_of_cells_have_all_unrounded_numbers(board, files):
    text = pd.read_csv(files[".csv"])
    binary = pq.read_table(files[".parquet"])
    cells = json.loads(files[".json"].read_text())["cells"]
    places = [(m, n) for m in range(len(board.rows)) for n in range(len(board.columns))]
    assert len(text) == binary.num_rows == len(cells) == len(places)
    for (m, n), ours, line in zip(places, cells, text.to_dict("records"), strict=True):
        cell = board.cells[m, n]
        interval = cell.value_interval
        assert (ours["metric"], ours["region"], ours["method"]) == (
            board.columns[n].card.id, board.columns[n].region, board.rows[m].method.key,
        )  # fmt: skip
        assert ours["value"] == cell.value and ours["low"] == (interval and interval.low)
        assert ours["over_answered"] == cell.value_over_answered and ours["failed"] == cell.failed
        for name in ("value", "low", "high", "factor_to_truth"):
            assert line[name] == ours[name] or (pd.isna(line[name]) and ours[name] is None)
            assert binary[name][places.index((m, n))].as_py() == ours[name]
    assert sum(ours["failed"] for ours in cells) == 1 and any(ours["mark"] == "leader" for ours in cells)


def test_tables_of_texts_have_the_numbers_of_the_page(board, files):
    markdown, latex = files[".md"].read_text(), files[".tex"].read_text()
    lines = [line.strip("| ").split(" | ") for line in markdown.splitlines()[2:]]
    assert [len(line) for line in lines] == [len(lines[0])] * (2 + len(board.rows)) and "PSNR" not in markdown
    shown = [n for n, column in enumerate(board.columns) if column.card.is_ranked]
    assert len(lines[0]) == 1 + len(shown) < 1 + len(board.columns)
    for m in range(len(board.rows)):
        numbers = [format_number(board.cells[m, n].value, column_decimals(board, n)) for n in shown]
        for number, text in zip(numbers, lines[2 + m][1:], strict=True):
            assert re.split(r"[ *=(]", text)[0].replace("\\", "") == number
        assert re.search(" & ".join(rf"{re.escape(escape(number))}\S*( [^&]*)?" for number in numbers), latex)


def escape(number):
    return number.replace("<", r"\textless{}").replace("\N{MINUS SIGN}", "$-$")


def test_every_file_names_split_clips_and_commit(board, files):
    text = caption(board)
    assert all(part in text for part in ("synthetic@2/test_seen", board.clip_set_ids[0], "0" * 40, "24 clips"))
    assert json.loads(files[".json"].read_text())["caption"] == text
    assert pq.read_schema(files[".parquet"]).metadata[b"caption"].decode() == text
    assert "24 clips, 24 object pairs" in files[".md"].read_text().splitlines()[0]
    assert "\\caption{Synthetic results on synthetic@2/test\\_seen" in files[".tex"].read_text()
    line = pd.read_csv(files[".csv"], dtype=str).iloc[0]
    assert (line["split"], line["clip_set_id"]) == ("synthetic@2/test_seen", board.clip_set_ids[0])


def test_hostile_texts_stay_in_their_cells(board, files):
    names = pd.read_csv(files[".csv"])["name"]
    assert f"'{HOSTILE}" in set(names) and not names.str.startswith(("=", "+", "-", "@")).any()
    assert not re.search(r'(^|,)"?[=@+]', files[".csv"].read_text())
    row = next(line for line in files[".md"].read_text().splitlines() if "1+1" in line)
    assert row.startswith("| =1+1 \\| a\\\\b & ") and "\\<b>" in row
    row = next(line for line in files[".tex"].read_text().splitlines() if "1+1" in line)
    assert row.startswith(
        r'=1+1 \textbar{} a\textbackslash{}b \& "c", \{d\}\_e \textless{}b\textgreater{} \% &'
    ) and row.endswith(r"\\")
    assert pq.read_table(files[".parquet"])["name"].to_pylist().count(HOSTILE) == len(board.columns)
