"""Data files of the site: what they hold, and that no text of a run can leave its place in them."""

import base64
import json
import re

import fake_runs
import numpy as np
import pytest

from hoibench.results.board import build_boards
from hoibench.results.run_folder import read_run
from leaderboard.payloads import board_payloads, row_keys, to_script, write_data


def fail_some(row):
    if row["method"] == "svimo" and row["metric"] in ("rpe@1", "chamfer@1") and row["clip"].endswith(("_003", "_007")):
        return row | {"value": None, "status": "failed", "reason": "on purpose", "details": {}}
    if row["method"] == "das" and row["metric"] == "xv_rpe@1":
        return None
    return row


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = fake_runs.write_run(tmp_path_factory.mktemp("payloads") / "run", seeds=(0, 1), edit=fail_some)
    (board,) = build_boards([read_run(folder)], fake_runs.CARDS)
    return board


def unpack(text, board, dtype="<f8"):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(len(board.rows), len(board.clips))


def test_column_files_have_the_scores_of_every_row_and_clip(board):
    payloads = dict(board_payloads(board, "b1", {2: "b1-clip-002"}, {}))
    description = payloads["b1"]
    assert [clip["media"] for clip in description["clips"]][:4] == [None, None, "b1-clip-002", None]
    assert len(payloads) == 1 + 3 * len(board.columns) and description["seeds"] == [0, 1]
    left_out = {"own_value": 0, "cost": 0}
    for suffix, columns in (("", board.scores), ("-s1", board.scores_of_seed(1))):
        for column, scores in zip(description["columns"], columns, strict=True):
            found = payloads[column["file"] + suffix]
            value = unpack(found["value"], board)
            own = unpack(found["own_value"], board) if "own_value" in found else value
            cost = unpack(found["cost"], board) if "cost" in found else found.get("cost_sign", np.nan) * value
            for ours, theirs, has in (
                (value, scores.value, scores.has_value),
                (own, scores.own_value, scores.has_own_value),
                (cost, scores.cost, scores.has_cost),
            ):
                assert np.array_equal(ours, np.where(has, theirs, np.nan), equal_nan=True)
            assert np.array_equal(unpack(found["failed"], board, np.uint8), scores.failed_seeds)
            left_out = {name: n + (name not in found) for name, n in left_out.items()}
    assert all(0 < n < 2 * len(board.columns) for n in left_out.values())  # both forms were read


def test_column_files_say_why_a_value_is_missing(board):
    payloads = dict(board_payloads(board, "b1", {}, {"rpe@1": 5}))
    columns = {column["metric"]: column for column in payloads["b1"]["columns"] if column["region"] == "full"}
    svimo = row_keys(board).index("svimo")
    assert (columns["rpe@1"]["card"], columns["chamfer@1"]["card"]) == (5, None)
    found = payloads[columns["rpe@1"]["file"]]
    assert [reason for reason in found["reasons"] if reason[0] == svimo] == [[svimo, 3, 0], [svimo, 7, 0]]
    assert found["texts"] == ["failed: on purpose"]
    assert not any("reasons" in payload for name, payload in payloads.items() if name.endswith("-s0"))


def test_keys_of_rows_are_distinct(tmp_path):
    folders = [
        fake_runs.write_run(tmp_path / name, fake_runs.METHODS[:2], clips=3, metrics=("rpe@1",)) for name in "abc"
    ]
    (board,) = build_boards([read_run(folder) for folder in folders], fake_runs.CARDS)
    assert sorted(row_keys(board)) == ["svimo", "svimo~2", "svimo~3", "syncmv4d", "syncmv4d~2", "syncmv4d~3"]


def test_no_key_is_one_that_no_object_in_a_script_can_have(tmp_path):
    method = fake_runs.FakeMethod("__proto__", "P", fake_runs.means(1, 10))
    run = fake_runs.write_run(tmp_path / "run", [method], clips=2, metrics=("psnr@1",))
    (board,) = build_boards([read_run(run)], fake_runs.CARDS)
    assert row_keys(board) == ("__proto__~2",)


def test_a_script_holds_its_value_as_text():
    texts = ["</script><script>window.pwned=1</script>", "<!--", "\u2028\u2029", '"\\', "é", "\ud800", "&lt;"]
    script = to_script("b1", texts)
    assert script.isascii() and not re.search(rb"[<>&]", script)
    assert json.loads(script.decode().removeprefix('hoibench.receive("b1", ').removesuffix(");\n")) == texts
    with pytest.raises(ValueError, match="JSON"):
        to_script("b1", float("nan"))


def test_files_of_an_earlier_build_are_removed_and_nothing_else(tmp_path, board):
    write_data(tmp_path, {"b2": board}, [("b1", 1), ("b2-c00", 1), ("b1-clip-003", 1), ("p-0a", 1)])
    assert {"b2.csv", "b2.tex", "p-0a.js"} <= {path.name for path in (tmp_path / "data").iterdir()}
    (tmp_path / "data" / "notes.js").write_text("mine")
    write_data(tmp_path, {}, [("b1", 2)])
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["b1.js", "notes.js"]
    assert (tmp_path / "data" / "b1.js").read_text() == 'hoibench.receive("b1", 2);\n'
