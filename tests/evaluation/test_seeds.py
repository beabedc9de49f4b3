"""Seeds: predictions that repeat under several seeds, and methods that claim that the seed changes nothing."""

import shutil

import pytest
from toy_runs import headline_rows, run_toy

from hoibench.evaluation.measure import RowKey, to_row
from hoibench.evaluation.merge import merge
from hoibench.methods.registry import folder_spec
from hoibench.metric_card import all_cards
from hoibench.metrics.measurement import Measurement
from hoibench.results.board import build_boards
from hoibench.results.run_folder import read_run

pytestmark = pytest.mark.usefixtures("toy")
SEEDS = (0, 1, 2)


def digests(out, method, metric="rpe@2"):
    """The digests of a method's predictions by clip, in the order of seeds."""
    table = headline_rows(out).xs((method, metric), level=("method", "metric"))
    return {clip: part["prediction"].tolist() for clip, part in table.groupby("clip")}


def board_row(out, method):
    (board,) = build_boards([read_run(out)], all_cards())
    (m,) = [m for m, row in enumerate(board.rows) if row.method.id == method]
    return board, m


def test_a_prediction_that_is_copied_to_other_seeds_is_one_seed(tmp_path):
    run_toy(tmp_path / "r", method=("masked",), limit=2, seed=SEEDS)
    stored = tmp_path / "r" / "predictions" / "masked"
    for seed in (1, 2):
        shutil.copytree(stored / "seed-0", tmp_path / "copied" / f"seed-{seed}")
    shutil.copytree(stored / "seed-0", tmp_path / "copied" / "seed-0")
    run_toy(tmp_path / "again", method=(f"copied={tmp_path / 'copied'}",), limit=2, seed=SEEDS)
    assert all(len(set(found)) == 1 and len(found) == 3 for found in digests(tmp_path / "again", "copied").values())
    board, m = board_row(tmp_path / "again", "copied")
    assert board.rows[m].seeds == 1
    reasons = {board.cells[m, n].standing.unranked for n, column in enumerate(board.columns) if column.card.is_ranked}
    assert all(reason.startswith("1 seed;") for reason in reasons)


def test_a_metric_compares_the_outputs_that_it_reads(tmp_path):
    """Masks that change with the seed make other videos, but not other points."""
    run_toy(tmp_path / "r", method=("masked",), limit=1, seed=SEEDS, metrics="rpe,matching_pixels/sift-mnn")
    table = headline_rows(tmp_path / "r").loc["masked"].reset_index()
    counts = {metric.partition("@")[0]: part["prediction"].nunique() for metric, part in table.groupby("metric")}
    assert counts == {"rpe": 1, "matching_pixels/sift-mnn": 3}


def test_a_metric_that_names_no_output_compares_all():
    key = RowKey("m", "clip", "split", "id", 0, outputs={"video": "v", "tracks": "t"})
    found = [
        to_row(Measurement(1.0), all_cards()["rpe@2"].model_copy(update={"needs": needs}), key).prediction
        for needs in ((), ("truth.tracks",), ("tracks", "cameras"), ("video",))
    ]
    assert found == ["v+t", "v+t", "t", "v"]


def test_digests_survive_resuming_and_merging(tmp_path):
    run_toy(tmp_path / "r", method=("masked",), limit=2, seed=SEEDS)
    before = digests(tmp_path / "r", "masked")
    run_toy(tmp_path / "r", method=("masked",), limit=2, seed=SEEDS)
    assert digests(tmp_path / "r", "masked") == before
    for i in (1, 2):
        run_toy(tmp_path / "parts", method=("masked",), limit=2, seed=SEEDS, shard=f"{i}/2")
    merge(tmp_path / "parts")
    assert digests(tmp_path / "parts", "masked") == before


@pytest.mark.parametrize(("method", "holds"), [("steady", True), ("fickle", False)])
def test_a_deterministic_method_runs_two_seeds_on_the_first_clip_only(tmp_path, method, holds):
    run_toy(tmp_path / "r", method=(method,), limit=2, seed=SEEDS)
    found = digests(tmp_path / "r", method)
    assert sorted(map(len, found.values())) == [1, 2]
    assert (len(set(max(found.values(), key=len))) == 1) == holds
    board, m = board_row(tmp_path / "r", method)
    assert board.rows[m].is_deterministic == holds
    reason = board.cells[m, 0].standing.unranked
    assert reason is None if holds else "claims to be deterministic, but no two seeds" in reason


def test_shards_of_a_deterministic_method_have_the_second_seed_once(tmp_path):
    run_toy(tmp_path / "r", method=("steady",), limit=2)
    for i in (1, 2):
        run_toy(tmp_path / "parts", method=("steady",), limit=2, shard=f"{i}/2")
    merge(tmp_path / "parts")
    assert digests(tmp_path / "parts", "steady") == digests(tmp_path / "r", "steady")


def test_a_folder_of_predictions_cannot_claim_to_be_deterministic(tmp_path):
    run_toy(tmp_path / "r", limit=1)
    folder = tmp_path / "r" / "predictions" / "still" / "seed-0"
    (folder / "spec.toml").write_text('id = "mine"\noutputs = ["video", "tracks"]\ndeterministic = true\n')
    assert not folder_spec("mine", folder).deterministic
