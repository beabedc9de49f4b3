"""Rules of the board, one by one, on fake runs."""

import json
from dataclasses import replace

import fake_runs
import numpy as np
import pyarrow.parquet as pq
import pytest

from hoibench.clip_entry import ClipEntry
from hoibench.results.board import build_boards, build_paper_boards
from hoibench.results.board_rows import cluster_labels
from hoibench.results.cell_details import cell_details
from hoibench.results.run_folder import read_run
from leaderboard.board_view import build_board_view


@pytest.fixture(scope="session")
def board_of(tmp_path_factory):
    """Write runs, read them, and build their boards."""

    def make(*runs):
        root = tmp_path_factory.mktemp("runs")
        folders = [
            fake_runs.write_run(root / run.pop("name", f"run-{n}"), **run) for n, run in enumerate(map(dict, runs))
        ]
        return build_boards([read_run(folder) for folder in folders], fake_runs.CARDS)

    return make


@pytest.fixture(scope="session")
def full(board_of):
    (board,) = board_of({})
    return board


def cell(board, method, metric, region="full"):
    (m,) = [n for n, e in enumerate(board.rows) if method in (e.method.id, e.label)]
    (c,) = [n for n, c in enumerate(board.columns) if (c.card.id, c.region) == (metric, region)]
    return board.cells[m, c]


FEW = ("rpe@1",)
AGREEMENT = ("mv_rpe_scene@1", "xv_rpe@1")


def only(metric, change):
    """An edit of the rows of one metric."""
    return lambda row: change(row) if row["metric"] == metric else row


def none_of(method, status, clips):
    def change(row):
        if row["method"] == method and row["clip"][-3:] in clips:
            return row | {"value": None, "status": status, "reason": f"{status} on purpose", "details": {}}
        return row

    return change


def test_every_pair_of_row_and_column_has_a_cell(full):
    assert set(full.cells) == {(m, c) for m in range(len(full.rows)) for c in range(len(full.columns))}
    assert full.regions == ("full", "fg") and full.clusters == 24


def test_reference_rows_stand_below_the_methods_and_never_rank(full):
    assert list(dict.fromkeys(row.role for row in full.rows)) == ["ranked", "ceiling", "floor"]
    for (m, _), found in full.cells.items():
        if full.rows[m].method.kind == "reference":
            assert found.standing.in_leading_group is None and not found.standing.is_leader


def test_a_cell_is_the_mean_over_clips_with_its_interval(full):
    rows = full.runs[0].headlines
    mine = rows[(rows["method"] == "syncmv4d") & (rows["metric"] == "rpe@1")]
    found = cell(full, "syncmv4d", "rpe@1")
    assert found.value == pytest.approx(mine.groupby("clip")["value"].mean().mean(), rel=1e-12)
    assert found.interval.low < found.value < found.interval.high
    assert (found.answered, found.failed, found.n_expected, found.seeds) == (24, 0, 24, 3)


def test_each_family_is_ranked_separately_by_the_group_of_the_column(full):
    assert cell(full, "syncmv4d", "rpe@1").standing.is_leader  # the best of its family, Ito4G ...
    assert cell(full, "geocrafter", "rpe@1").standing.is_leader  # ... and the best of Vto4R, whatever the other has
    assert cell(full, "geo4d", "rpe@1").standing.in_leading_group is False
    assert cell(full, "svimo", "mv_rpe_scene@1").standing.in_leading_group is True


def test_the_only_row_of_its_class_is_no_leader(full):
    standing = cell(full, "wan2.2", "dynamic_degree/dis@1").standing
    assert standing.in_leading_group is None and not standing.is_leader and standing.unranked is None


def test_a_method_without_background_is_ranked_in_the_foreground_only(full):
    metric = "matching_pixels/sift-mnn@1"
    assert "only in region fg" in cell(full, "sv4d2", metric).standing.unranked
    assert (
        cell(full, "das", metric, "fg").standing.is_leader
        and cell(full, "sv4d2", metric, "fg").standing.in_leading_group is False
    )


def test_secondary_metrics_never_rank(full):
    assert all(cell(full, m, "psnr@1").standing.in_leading_group is None for m in ("syncmv4d", "svimo", "das"))


def test_a_row_that_breaks_a_companions_rule_is_greyed_and_not_ranked_in_that_column_only(full):
    found = cell(full, "wan2.2", "matching_pixels/sift-mnn@1")
    assert "still videos match, too" in found.grey and found.standing.unranked == found.grey
    assert found.value is not None and found.standing.in_leading_group is None
    assert "still videos match, too" in cell(full, "frozen", "matching_pixels/sift-mnn@1").grey
    assert cell(full, "wan2.2", "matching_pixels_dyn/sift-mnn@1").grey is None
    assert cell(full, "syncmv4d", "matching_pixels/sift-mnn@1").grey is None


def test_a_column_with_a_companion_ranks_only_rows_no_worse_in_it_than_frozen(full, board_of):
    assert cell(full, "syncmv4d", "xv_rpe@1").standing.is_leader
    assert "MV RPE (scene) is worse than that of frozen: views may" in cell(full, "geo4d", "xv_rpe@1").standing.unranked
    drop = only("mv_rpe_scene@1", lambda row: None if row["method"] == "svimo" else row)
    (board,) = board_of({"metrics": AGREEMENT, "edit": drop})
    found = cell(board, "svimo", "xv_rpe@1")
    assert found.status == "withheld" and found.value is None and found.order is None
    no_frozen = only("mv_rpe_scene@1", lambda row: None if row["method"] == "frozen" else row)
    (board,) = board_of({"metrics": AGREEMENT, "edit": no_frozen})
    assert "no frozen row" in cell(board, "syncmv4d", "xv_rpe@1").standing.unranked


def test_alignment_classes_never_share_a_leading_group(board_of):
    shared = only("rpe@1", lambda row: row | {"alignment": "shared"} if row["method"] == "svimo" else row)
    (board,) = board_of({"metrics": FEW, "edit": shared})
    assert (
        cell(board, "svimo", "rpe@1").standing.in_leading_group is None
        and cell(board, "syncmv4d", "rpe@1").standing.in_leading_group is None
    )
    mixed = only(
        "rpe@1", lambda row: row | {"alignment": "shared"} if row["method"] == "svimo" and row["seed"] else row
    )
    (board,) = board_of({"metrics": FEW, "edit": mixed})
    assert "different ways" in cell(board, "svimo", "rpe@1").standing.unranked


def test_a_failed_clip_counts_as_the_cap_and_the_second_value_excludes_it(full, board_of):
    (board,) = board_of({"metrics": FEW, "edit": only("rpe@1", none_of("svimo", "failed", ("003", "007")))})
    found, before = cell(board, "svimo", "rpe@1"), cell(full, "svimo", "rpe@1")
    assert (found.answered, found.failed, found.n_expected) == (22, 2, 24)
    assert found.value == pytest.approx((22 * found.value_over_answered + 2 * 100) / 24, rel=1e-12)
    assert found.value_over_answered == pytest.approx(before.value, rel=0.2)
    assert found.standing.unranked is None


def test_a_mean_with_failures_has_no_interval_and_the_share_of_failures_has_one(full, board_of):
    (board,) = board_of({"metrics": FEW, "edit": only("rpe@1", none_of("svimo", "failed", ("003", "007")))})
    found, other = cell(board, "svimo", "rpe@1"), cell(board, "syncmv4d", "rpe@1")
    assert found.value_interval is None and other.value_interval == other.interval
    assert found.interval.low < found.value_over_answered < found.interval.high < found.value
    assert found.failure_interval == pytest.approx((0.0103, 0.2700), abs=1e-4)  # Clopper-Pearson, 2 of 24
    assert other.failure_interval == pytest.approx((0, 0.1425), abs=1e-4)


def test_failing_the_hard_clips_on_purpose_does_not_win(full, board_of):
    """The twin that answers everything stays ahead of one that fails the half of the clips on which it is worst."""
    svimo = next(method for method in fake_runs.METHODS if method.id == "svimo")
    twins = [replace(svimo, id="answers", name="Answers"), replace(svimo, id="fails", name="Fails")]
    same = lambda row: row | {"value": 5 + 10 * (int(row["clip"][-3:]) % 2)}  # noqa: E731

    def fail(row):
        failing = row["method"] == "fails" and int(row["clip"][-3:]) % 2 and int(row["clip"][-3:]) < 23
        return row | ({"value": None, "status": "failed", "reason": "on purpose"} if failing else {})

    (board,) = board_of({"metrics": FEW, "methods": twins, "edit": lambda row: fail(same(row))})
    answers, fails = cell(board, "answers", "rpe@1"), cell(board, "fails", "rpe@1")
    assert fails.value_over_answered < answers.value < fails.value
    assert answers.standing.is_leader and fails.standing.unranked is None and not fails.standing.is_leader


def test_rows_are_compared_with_the_leader_of_their_class(full):
    leader, other = cell(full, "geocrafter", "rpe@1"), cell(full, "geo4d", "rpe@1")
    test = other.standing.to_leader
    assert leader.standing.to_leader is None and test.low < test.difference < test.high
    assert test.difference == pytest.approx(other.value - leader.value, rel=1e-9)


def test_the_deviation_between_seeds_is_pooled_over_clips(full):
    rows = full.runs[0].headlines
    mine = rows[(rows["method"] == "svimo") & (rows["metric"] == "rpe@1")]
    expected = np.sqrt(mine.groupby("clip")["value"].var().mean())
    assert cell(full, "svimo", "rpe@1").seed_deviation == pytest.approx(float(expected), rel=1e-9)


def test_a_board_with_few_clusters_is_a_demonstration(board_of):
    few, enough = (board_of({"metrics": FEW, "clips": clips, "instances": clips})[0] for clips in (11, 12))
    assert few.is_demonstration and not enough.is_demonstration


def test_the_papers_columns_have_boards_of_their_own_without_ranks(full):
    literal = {
        "rpe@1": {"sets": ("paper",), "ranked": False},
        "pi@1": {"sets": ("paper",)},
        "mv_rpe_world@1": {"sets": ("paper", "offline")},
    }
    cards = {id: card.model_copy(update=literal.get(id, {})) for id, card in fake_runs.CARDS.items()}
    (main,), (paper,) = build_boards(full.runs, cards), build_paper_boards(full.runs, cards)
    shown = [column.card.id for column in main.columns]
    assert "rpe@1" not in shown and {"pi@1", "mv_rpe_world@1"} <= set(shown)  # the latter is secondary
    assert [column.card.id for column in paper.columns] == ["rpe@1", "pi@1", "mv_rpe_world@1"]
    standings = [found.standing for found in paper.cells.values()]
    assert not any(found.is_leader or found.in_leading_group for found in standings)
    assert cell(paper, "syncmv4d", "rpe@1").value == cell(full, "syncmv4d", "rpe@1").value
    assert build_paper_boards(full.runs, fake_runs.CARDS) == []


def test_the_papers_columns_leave_failed_clips_out(board_of):
    (board,) = board_of({"metrics": FEW, "edit": only("rpe@1", none_of("svimo", "failed", ("003", "007")))})
    cards = {"rpe@1": fake_runs.CARDS["rpe@1"].model_copy(update={"sets": ("paper",)})}
    (paper,) = build_paper_boards(board.runs, cards)
    found = cell(paper, "svimo", "rpe@1")
    assert found.value == cell(board, "svimo", "rpe@1").value_over_answered and found.failed == 2


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_rows_does_not_change_the_board(tmp_path, seed):
    edit = only("rpe@1", none_of("svimo", "failed", ("003", "007")))
    run = read_run(fake_runs.write_run(tmp_path / "run", clips=8, edit=edit))
    shuffled = read_run(tmp_path / "run")
    vars(shuffled)["headlines"] = run.headlines.sample(frac=1, random_state=seed, ignore_index=True)
    (expected,), (found,) = build_boards([run], fake_runs.CARDS), build_boards([shuffled], fake_runs.CARDS)
    assert found.columns == expected.columns and found.cells == expected.cells


def test_a_cap_that_depends_on_the_clip_comes_from_the_other_rows(board_of):
    failing = only("chamfer@1", none_of("svimo", "failed", ("003",)))
    (board,) = board_of({"metrics": ("chamfer@1",), "edit": failing})
    found = cell(board, "svimo", "chamfer@1")
    capped = (23 * found.value_over_answered + fake_runs.SCENE_SIZE) / 24
    assert found.value == pytest.approx(capped, rel=1e-12) and found.standing.unranked is None
    (board,) = board_of({"metrics": ("chamfer@1",), "edit": lambda row: failing(row) | {"cap": None}})
    found = cell(board, "svimo", "chamfer@1")
    assert found.standing.unranked == "1 clip failed, and no row says what a failed clip scores"
    assert found.value_over_answered is None and found.value is not None


def test_if_every_clip_failed_there_is_no_value(board_of):
    (board,) = board_of(
        {"metrics": FEW, "edit": only("rpe@1", none_of("svimo", "failed", tuple(f"{n:03d}" for n in range(24))))}
    )
    found = cell(board, "svimo", "rpe@1")
    assert (found.status, found.value, found.order, found.answered, found.failed) == ("failed", None, None, 0, 24)
    assert found.reason == found.standing.unranked == "failed on purpose" and not cell_details(found, board.columns[0])


@pytest.mark.parametrize("status", ["unavailable", "not_applicable", "error"])
def test_a_cell_without_a_value_has_status_and_reason(board_of, status):
    (board,) = board_of(
        {"metrics": FEW, "edit": only("rpe@1", none_of("svimo", status, tuple(f"{n:03d}" for n in range(24))))}
    )
    found = cell(board, "svimo", "rpe@1")
    assert (found.status, found.reason, found.value, found.order) == (status, f"{status} on purpose", None, None)


def test_a_row_with_a_scoring_error_is_not_ranked(board_of):
    (board,) = board_of({"metrics": FEW, "edit": only("rpe@1", none_of("svimo", "error", ("001",)))})
    assert cell(board, "svimo", "rpe@1").standing.unranked == "scoring raised an error on 1 clip"


def test_a_cell_without_results_is_missing(full):
    assert (cell(full, "das", "rpe@1").status, cell(full, "das", "rpe@1").value) == ("missing", None)


@pytest.mark.parametrize(("seeds", "words"), [((0,), "1 seed;"), ((0, 1), "2 seeds")])
def test_a_generative_row_needs_three_seeds_and_a_reconstruction_does_not(board_of, seeds, words):
    (board,) = board_of({"metrics": FEW, "seeds": seeds})
    assert cell(board, "syncmv4d", "rpe@1").standing.unranked.startswith(words)
    assert cell(board, "geocrafter", "rpe@1").standing.is_leader


def test_identical_predictions_under_several_seeds_are_one_seed(board_of):
    def digest(row):
        seed = "" if row["method"] == "svimo" else row["seed"]
        return row | {"prediction": f"{row['clip']}{seed}"}

    (board,) = board_of({"metrics": FEW, "edit": digest})
    assert cell(board, "svimo", "rpe@1").standing.unranked.startswith("1 seed;")
    assert cell(board, "svimo", "rpe@1").seed_deviation is None
    assert cell(board, "syncmv4d", "rpe@1").seeds == 3 and cell(board, "syncmv4d", "rpe@1").standing.unranked is None
    assert {row.method.id: row.seeds for row in board.rows}["svimo"] == 1
    rows = board.runs[0].headlines
    first = rows[(rows["method"] == "svimo") & (rows["seed"] == 0)]["value"].mean()
    assert cell(board, "svimo", "rpe@1").value == pytest.approx(float(first), rel=1e-12)


def test_the_scores_of_one_seed_are_its_own_and_a_row_with_one_seed_keeps_them(board_of):
    def digest(row):
        repeats = row["method"] == "svimo" or (row["method"] == "syncmv4d" and row["clip"].endswith("_002"))
        return row | {"prediction": row["clip"] if repeats else f"{row['clip']}{row['seed']}"}

    (board,) = board_of({"metrics": FEW, "methods": fake_runs.METHODS[:2], "seeds": (0, 1), "edit": digest})
    rows = board.runs[0].headlines
    assert board.seeds == (0, 1)
    for seed in board.seeds:
        (scores,) = board.scores_of_seed(seed)
        for m, row in enumerate(board.rows):
            own = rows[(rows["method"] == row.method.id) & (rows["seed"] == (seed if row.seeds > 1 else 0))]
            assert scores.value[m].tolist() == own.sort_values("clip")["value"].tolist()
        assert scores.seeds.tolist() == np.ones((2, 24)).tolist()
    assert [row.seeds for row in board.rows if row.method.id == "svimo"] == [1]
    (single,) = board_of({"metrics": FEW, "methods": fake_runs.METHODS[:2], "seeds": (0,)})
    assert single.seeds == ()


@pytest.mark.parametrize(
    ("claims", "second_seed", "ranked"),
    [(True, "same", True), (True, "other", False), (True, None, False), (False, "same", False)],
)
def test_a_claim_to_be_deterministic_is_checked_by_two_seeds_on_one_clip(board_of, claims, second_seed, ranked):
    svimo = next(method for method in fake_runs.METHODS if method.id == "svimo")
    claiming = replace(svimo, more={**svimo.more, "deterministic": claims})

    def edit(row):
        if row["method"] != "svimo":
            return row | {"prediction": f"{row['clip']}{row['seed']}"}
        if row["seed"] and (row["clip"][-3:] != "000" or row["seed"] > 1 or second_seed is None):
            return None
        return row | {"prediction": "other" if row["seed"] and second_seed == "other" else row["clip"]}

    (board,) = board_of({"metrics": FEW, "methods": [fake_runs.METHODS[0], claiming], "edit": edit})
    assert (cell(board, "svimo", "rpe@1").standing.unranked is None) == ranked


def test_the_floor_of_an_inexact_pairing_is_the_mean_over_clips_of_the_mean_over_seeds(board_of):
    def edit(row):
        clip, seed = int(row["clip"][-3:]), row["seed"]
        if clip == 2 and seed:
            return row | {"value": None, "status": "failed", "reason": "no", "details": {}}
        return row | {"details": {"pairing_floor": 0.1 * clip + 0.01 * seed}}

    (board,) = board_of({"metrics": FEW, "clips": 3, "edit": edit})
    mapped, tracked = cell(board, "geo4d", "rpe@1"), cell(board, "syncmv4d", "rpe@1")
    assert mapped.pairing_floor == pytest.approx((0.01 + 0.11 + 0.2) / 3)
    texts = dict(cell_details(mapped, board.columns[0]))
    assert texts["floor of the pairing"] == "0.106667 % (the truth itself, paired in the same way)"
    assert tracked.pairing_floor is None and "floor of the pairing" not in dict(cell_details(tracked, board.columns[0]))


def test_a_proxy_hand_is_never_ranked(board_of):
    (board,) = board_of({"metrics": FEW, "edit": only("rpe@1", lambda row: row | {"truth": "proxy-hand"})})
    assert cell(board, "syncmv4d", "rpe@1").standing.unranked == "the truth has a proxy hand"


def test_clips_of_the_same_objects_are_one_cluster_of_the_interval(board_of):
    (board,) = board_of({"metrics": FEW, "instances": 6})
    interval = cell(board, "syncmv4d", "rpe@1").interval
    assert board.clusters == interval.clusters == 6 and interval.degrees_of_freedom == pytest.approx(5)


def test_cells_do_not_depend_on_the_order_of_rows_and_clips(full, tmp_path):
    (folder,) = (run.folder for run in full.runs)
    rng = np.random.default_rng(0)
    rows = pq.read_table(folder / "results.parquet")
    pq.write_table(rows.take(rng.permutation(len(rows))), tmp_path / "results.parquet")
    record = json.loads((folder / "run.json").read_text())
    record["clips"] = [record["clips"][n] for n in rng.permutation(len(record["clips"]))]
    (tmp_path / "run.json").write_text(json.dumps(record))
    (shuffled,) = build_boards([read_run(tmp_path)], fake_runs.CARDS)
    assert shuffled.cells == full.cells


def test_one_clip_has_no_interval_and_no_rank(board_of):
    (board,) = board_of({"metrics": FEW, "clips": 1})
    found = cell(board, "syncmv4d", "rpe@1")
    assert found.interval is None and found.standing.unranked == "fewer than 2 clips" and found.value is not None


def test_a_ratio_metric_is_ordered_by_its_distance_from_the_truth(full):
    ours, other = cell(full, "syncmv4d", "smoothness@1"), cell(full, "svimo", "smoothness@1")
    assert (
        1 < ours.ratio_factor < other.ratio_factor < 20
        and ours.order < other.order
        and np.exp(ours.order) == pytest.approx(ours.ratio_factor)
    )
    rows = full.runs[0].headlines
    mine = rows[(rows["method"] == "svimo") & (rows["metric"] == "smoothness@1")]
    ratios = mine["details"].map(lambda text: json.loads(text)["ratio"]).groupby(mine["clip"]).mean()
    assert other.detail == pytest.approx(ratios.mean(), rel=1e-12) and cell(full, "svimo", "rpe@1").detail is None


def test_the_full_frame_has_the_columns_of_metrics_that_only_the_foreground_has(tmp_path):
    moving = "matching_pixels_dyn/sift-mnn@1"
    cards = fake_runs.CARDS | {moving: fake_runs.CARDS[moving].model_copy(update={"regions": ("fg",)})}
    run = fake_runs.write_run(
        tmp_path / "run", clips=2, metrics=(*FEW, *MATCHES, moving),
        edit=lambda row: None if (row["metric"], row["region"]) == (moving, "full") else row,
    )  # fmt: skip
    (board,) = build_boards([read_run(run)], cards)
    columns = {
        region: [(board.columns[n].card.id, board.columns[n].region) for n in board.columns_in(region)]
        for region in ("full", "fg")
    }
    assert columns["full"] == [*((metric, "full") for metric in MATCHES), (moving, "fg"), ("rpe@1", "full")]
    assert columns["fg"] == [(metric, "fg") for metric in (*MATCHES, moving)]
    heads = [[head.title for head in table.columns] for table in build_board_view(board, {}).tables]
    assert heads[0][2] == "Mat. Pix. moving, foreground" and heads[1][2] == "Mat. Pix. moving"


def test_runs_with_different_truth_have_separate_boards(board_of):
    small = {"methods": fake_runs.REFERENCE_ROWS[:1], "metrics": FEW, "clips": 4, "seeds": (0,)}
    boards = board_of(
        {"name": "a", "truth_id": "large"} | small,
        {"name": "b", "truth_id": "small"} | small,
        {"name": "c", "truth_id": "large"} | small,
    )
    assert [[run.record.name for run in board.runs] for board in boards] == [["a", "c"], ["b"]]
    assert [board.truth_id for board in boards] == ["large", "small"]


def test_notes_state_how_clips_were_prepared_and_which_are_excluded(board_of):
    small = {"methods": fake_runs.REFERENCE_ROWS[:1], "metrics": FEW, "clips": 4, "seeds": (0,)}
    (board,) = board_of(
        {"name": "a", "notes": ["crop=clip: a hint."], "excluded": ["3: too short", "1: no camera"]} | small,
        {"name": "b", "notes": ["crop=clip: a hint."]} | small,
    )
    assert board.notes == ("crop=clip: a hint.", "a excludes clips of the split. 3: too short; 1: no camera.")


def test_a_board_of_runs_over_different_clips_has_the_shared_clips(board_of):
    (board,) = board_of(
        {"name": "a", "metrics": FEW, "clips": 24},
        {
            "name": "b",
            "metrics": (*FEW, "psnr@1"),
            "clips": 10,
            "first_clip": 8,
            "methods": [*fake_runs.REFERENCE_ROWS, fake_runs.METHODS[2]],
        },
    )
    assert [clip.id[-3:] for clip in board.clips] == [f"{n:03d}" for n in range(8, 18)] and len(board.clip_set_ids) == 2
    assert cell(board, "syncmv4d", "rpe@1").n_expected == 10
    assert board.notes == ("Only clips that every run scored are used: 10 of the 24 clips of a.",)
    assert [e.method.id for e in board.rows].count("frozen") == 1 and "WAN2.2 (b)" in [e.label for e in board.rows]


def test_runs_without_a_common_clip_kind_or_split_have_separate_boards(board_of):
    alone = {"methods": fake_runs.REFERENCE_ROWS[:1], "clips": 4, "seeds": (0,)}
    boards = board_of(
        {"name": "a", **alone},
        {"name": "b", **alone, "first_clip": 50},
        {"name": "c", **alone, "kind": "measured"},
        {"name": "d", **alone, "split": "synthetic@2/val"},
    )
    assert [[run.record.name for run in board.runs] for board in boards] == [["c"], ["a"], ["b"], ["d"]]


def test_a_metric_without_a_card_is_shown_and_never_ranked(full):
    (board,) = build_boards([full.runs[0]], {})
    found = cell(board, "syncmv4d", "rpe@1")
    assert found.value is not None and "secondary" in found.standing.unranked and found.order == found.value


@pytest.mark.parametrize(
    ("column", "message"),
    [("clip_set_id", "rows of clip set other"), ("method", "rows of 'other', which run.json does not list")],
)
def test_results_of_another_run_are_refused(board_of, column, message):
    with pytest.raises(ValueError, match=message):
        board_of({"methods": fake_runs.REFERENCE_ROWS[:1], "edit": lambda row: row | {column: "other"}})


def test_a_metric_that_applies_to_no_row_is_omitted_with_a_note(board_of):
    def nothing(row):
        return row | {"value": None, "status": "not_applicable", "reason": "no cameras", "details": {}}

    (board,) = board_of({"metrics": (*FEW, "mv_rpe_scene@1"), "edit": only("mv_rpe_scene@1", nothing)})
    assert [column.card.id for column in board.columns] == ["rpe@1"]
    assert board.notes[-1] == "Omitted because they apply to no row: mv_rpe_scene@1."


ALL_CLIPS = tuple(f"{n:03d}" for n in range(24))


def mean_of(board, method, metric, leaving_out=()):
    rows = board.runs[0].headlines
    mine = rows[(rows["method"] == method) & (rows["metric"] == metric) & (rows["region"] == "full")]
    return mine[~mine["clip"].str[-3:].isin(leaving_out)].groupby("clip")["value"].mean().mean()


def test_columns_are_sorted_by_group_then_ranked_first_then_by_card(full):
    assert [(column.card.id, column.region) for column in full.columns] == [
        ("dynamic_degree/dis@1", "full"), ("dynamic_degree/dis@1", "fg"), ("psnr@1", "full"), ("psnr@1", "fg"),
        ("matching_pixels/sift-mnn@1", "full"), ("matching_pixels/sift-mnn@1", "fg"),
        ("matching_pixels_dyn/sift-mnn@1", "full"), ("matching_pixels_dyn/sift-mnn@1", "fg"),
        *((f"{name}@1", "full") for name in ("rpe", "pi", "chamfer", "smoothness", "mv_rpe_scene", "xv_rpe", "mv_rpe_world")),
    ]  # fmt: skip


def test_rows_are_sorted_by_role_then_family_then_name(full):
    assert [row.method.id for row in full.rows] == [
        "wan2.2", "svimo", "syncmv4d", "das", "sv4d2", "geo4d", "geocrafter",
        "ground_truth", "gt_noise_1cm", "gt_scaled_0.9",
        "frozen", "frozen_self/syncmv4d", "random",
    ]  # fmt: skip


def test_the_value_over_answered_clips_is_the_mean_of_the_other_clips(full, board_of):
    (board,) = board_of({"metrics": FEW, "edit": only("rpe@1", none_of("svimo", "failed", ("003", "007")))})
    found = cell(board, "svimo", "rpe@1")
    assert found.value_over_answered == pytest.approx(mean_of(full, "svimo", "rpe@1", ("003", "007")), rel=1e-12)
    assert cell(board, "syncmv4d", "rpe@1").value_over_answered is None


def test_the_clip_with_the_fewest_seeds_counts(board_of):
    def one_less(row):
        return None if (row["method"], row["seed"], row["clip"][-3:]) == ("svimo", 2, "005") else row

    (board,) = board_of({"metrics": FEW, "edit": one_less})
    assert cell(board, "svimo", "rpe@1").seeds == 2
    assert cell(board, "svimo", "rpe@1").standing.unranked.startswith("2 seeds")
    assert cell(board, "syncmv4d", "rpe@1").standing.unranked is None


def test_an_empty_cell_has_the_commonest_status(board_of):
    def change(row):
        if row["method"] != "svimo":
            return row
        status = "not_applicable" if row["clip"][-3:] in ("001", "002") else "unavailable"
        return row | {"value": None, "status": status, "reason": f"{status} here"}

    (board,) = board_of({"metrics": FEW, "edit": only("rpe@1", change)})
    found = cell(board, "svimo", "rpe@1")
    assert (found.status, found.reason) == ("unavailable", "unavailable here")


def test_conditions_are_those_of_clips_with_a_value(board_of):
    def change(row):
        if row["method"] == "svimo" and row["clip"][-3:] == "001":
            return row | {"value": None, "status": "failed", "reason": "no", "pairing": "anchor", "coverage": 0.0}
        covered = {"syncmv4d": 0.5 if row["clip"][-3:] == "001" else 1.0}.get(row["method"], 1.0)
        truth = "proxy-hand" if (row["method"], row["clip"][-3:]) == ("geo4d", "002") else "synthetic"
        return row | {"coverage": covered, "truth": truth}

    (board,) = board_of({"metrics": FEW, "edit": only("rpe@1", change)})
    conditions = cell(board, "svimo", "rpe@1").conditions
    assert (conditions.pairing, conditions.coverage, conditions.truth) == ("query", 1.0, "synthetic")
    assert cell(board, "svimo", "rpe@1").standing.unranked is None
    assert cell(board, "syncmv4d", "rpe@1").conditions.coverage == pytest.approx(1 - 0.5 / 24)
    assert cell(board, "geo4d", "rpe@1").standing.unranked == "the truth has a proxy hand"  # one clip is enough


def test_a_cell_without_a_value_and_without_its_companion_is_missing_and_not_withheld(full):
    assert cell(full, "das", "xv_rpe@1").status == "missing"


MATCHES = ("dynamic_degree/dis@1", "matching_pixels/sift-mnn@1")


def test_a_companion_is_read_in_the_same_region(board_of):
    def stops(row):
        still = (row["method"], row["region"], row["metric"]) == ("syncmv4d", "fg", MATCHES[0])
        return row | ({"value": 0.0} if still else {})

    (board,) = board_of({"metrics": MATCHES, "edit": stops})
    assert cell(board, "syncmv4d", MATCHES[1], "fg").grey and cell(board, "syncmv4d", MATCHES[1]).grey is None


def test_failed_clips_do_not_count_as_still(board_of):
    """SyncMV4D moves; the cap of its failed clips, no motion, does not make it still."""

    def change(row):
        half = row["method"] == "syncmv4d" and row["metric"] == MATCHES[0] and int(row["clip"][-3:]) % 3
        return row | ({"value": None, "status": "failed", "reason": "no"} if half else {})

    (board,) = board_of({"metrics": MATCHES, "edit": change})
    assert cell(board, "syncmv4d", MATCHES[0]).value < 0.4
    assert cell(board, "syncmv4d", MATCHES[1]).grey is None


def test_the_newest_run_provides_the_reference_rows_of_several_runs(board_of):
    def factor(by):
        return lambda row: row | {"value": by * row["value"]}

    def at(hour):
        return {"created": f"2026-11-22T{hour}:00:00+00:00"}

    frozen = [method for method in fake_runs.REFERENCE_ROWS if method.id == "frozen"]
    small = {"methods": frozen, "metrics": FEW, "clips": 4, "seeds": (0,)}
    (board,) = board_of(
        {"name": "a", "provenance": at(18), "edit": factor(3)} | small,
        {"name": "b", "provenance": at(17), "edit": factor(1)} | small,
    )
    (old,) = board_of({"name": "b", "provenance": at(17), "edit": factor(1)} | small)
    assert [run.record.name for run in board.runs] == ["b", "a"]
    assert len(board.rows) == 1 and board.rows[0].run.record.name == "a"
    assert cell(board, "frozen", "rpe@1").value == pytest.approx(3 * cell(old, "frozen", "rpe@1").value)


def test_a_method_of_two_runs_has_two_rows(board_of):
    small = {"methods": fake_runs.METHODS[:1], "metrics": FEW, "clips": 4, "seeds": (0,)}
    (board,) = board_of({"name": "a"} | small, {"name": "b"} | small)
    assert [row.label for row in board.rows] == ["SyncMV4D (a)", "SyncMV4D (b)"]


def test_runs_of_other_data_sets_or_split_versions_have_separate_boards(board_of):
    small = {"methods": fake_runs.REFERENCE_ROWS[:1], "metrics": FEW, "clips": 4, "seeds": (0,)}
    boards = board_of(*({"name": name} | more | small for name, more in (
        ("a", {}), ("b", {"dataset": "other"}), ("c", {"split_id": "other"}), ("d", {}),
    )))  # fmt: skip
    assert sorted([run.record.name for run in board.runs] for board in boards) == [["a", "d"], ["b"], ["c"]]


def test_a_metric_that_failed_everywhere_keeps_its_column(board_of):
    (board,) = board_of(
        {
            "metrics": FEW,
            "methods": fake_runs.METHODS[:1],
            "edit": only("rpe@1", none_of("syncmv4d", "failed", ALL_CLIPS)),
        }
    )
    assert [column.card.id for column in board.columns] == ["rpe@1"]
    found = cell(board, "syncmv4d", "rpe@1")
    assert (found.status, found.value, found.answered, found.failed) == ("failed", None, 0, 24) and board.notes == ()


def test_clips_of_the_same_objects_form_a_cluster_and_a_clip_without_objects_its_own():
    pairs = (("019", "112"), None, ("019", "112"), None, ("020", "112"))
    clips = tuple(ClipEntry(id=f"c{n}", instances=pair) for n, pair in enumerate(pairs))
    assert cluster_labels(clips).tolist() == [0, 1, 0, 2, 3]
