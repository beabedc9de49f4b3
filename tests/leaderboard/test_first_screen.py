"""The first screen of a board: the headline, the plots, the clips to look at, the compared pairs, and the columns that order nobody."""

from dataclasses import replace
from urllib.parse import parse_qs

import fake_runs
import pytest

from hoibench.results.board import build_boards
from hoibench.results.run_folder import read_run
from leaderboard.bars import column_scale
from leaderboard.board_view import build_board_view
from leaderboard.build import build
from leaderboard.headline import headline, headline_text
from leaderboard.highlights import MAX_METHODS, highlights
from leaderboard.plots import MAX_ROWS, draw_plots

PRIMARY = tuple(metric for metric, card in fake_runs.CARDS.items() if card.primary)
MATCHES, CHAMFER, MOTION = PRIMARY
REFERENCES = [row for row in fake_runs.REFERENCE_ROWS if row.id in ("ground_truth", "frozen")]


@pytest.fixture(scope="module")
def board_of(tmp_path_factory):
    def make(methods, **more):
        run = fake_runs.write_run(tmp_path_factory.mktemp("run") / "run", methods, **({"metrics": PRIMARY} | more))
        (board,) = build_boards([read_run(run)], fake_runs.CARDS)
        return board

    return make


@pytest.fixture(scope="module")
def board(board_of):
    """Two methods that nothing separates, two of which one is better in two columns, and one that is alone in its family."""
    methods = [method for method in fake_runs.METHODS if method.id not in ("wan2.2", "sv4d2")]
    return board_of([*fake_runs.REFERENCE_ROWS, *methods])


def sentences(board):
    return [headline_text(sentence) for sentence in headline(board)]


def test_the_headline_says_who_leads_what_and_where_nothing_separates_the_methods(board):
    assert sentences(board) == [
        "24 clips, 24 object pairs of generated scenes; 5 methods.",
        "Among Vto4R methods, GeometryCrafter is better than every other one in Cham. Dis. and MV RPE (scene).",
        "Nothing separates the I2VM and Vto4R methods in Mat. Pix. (SIFT); nor the Ito4G methods in Cham. Dis. and MV RPE (scene).",
        "Even GeometryCrafter is worse than the first frame of the truth, repeated, in Mat. Pix. (SIFT).",
    ]


def test_the_headline_names_the_rows_that_tie_with_the_leader(board_of):
    ours, theirs = fake_runs.METHODS[:2]
    third = replace(theirs, id="third", name="Third", means=fake_runs.means(0.95, 100, 9.0, 0.05, 0.0152, 40))
    assert sentences(board_of([ours, theirs, third], metrics=(MOTION,)))[1:] == [
        "SyncMV4D leads in MV RPE (scene); SViMo cannot be told apart from it."
    ]


def test_one_seed_ranks_nobody_and_the_headline_says_so(board_of):
    found = sentences(board_of(fake_runs.METHODS[:2], clips=6, seeds=(0,)))
    assert found[1].startswith("No test was made. By the means alone, ") and " is ahead in " in found[1]
    assert found[2:] == [
        "No method is ranked: 1 seed; a generative method needs at least 3 to be ranked.",
        "With 6 object pairs this is a demonstration: not separated does not mean equal.",
    ]


def test_a_single_method_is_compared_with_the_first_frame_of_the_truth(board_of):
    board = board_of([*REFERENCES, fake_runs.METHODS[0]])
    assert sentences(board)[1:] == [
        "SyncMV4D is better than the first frame of the truth, repeated, in Cham. Dis. and MV RPE (scene) and worse than it in Mat. Pix. (SIFT)."
    ]
    assert len(sentences(board_of([fake_runs.METHODS[0]]))) == 1


def test_plots_show_means_and_intervals_on_the_columns_scale(board):
    plots = draw_plots(board)
    assert [plot.title for plot in plots] == [fake_runs.CARDS[metric].title for metric in PRIMARY]
    labels = [row.label for row in board.rows if row.role == "ranked"]
    for plot, n in zip(plots, board.primary_columns, strict=True):
        scale = column_scale(board, n)

        def place(value, scale=scale):
            return pytest.approx(2 + 96 * (value - scale.low) / (scale.high - scale.low), abs=0.01)

        assert [row.label for row in plot.rows] == labels
        cells = {row.label: board.cells[m, n] for m, row in enumerate(board.rows)}
        assert plot.truth == place(cells["Ground truth"].value)
        assert plot.frozen == place(cells["Frozen first frame"].value)
        for row in plot.rows:
            cell = cells[row.label]
            if cell.value is None:
                assert (row.mean, row.text) == (None, "–")
            else:
                assert (row.low, row.mean, row.high) == tuple(
                    place(value) for value in (cell.interval.low, cell.value, cell.interval.high)
                )
        assert all(2 <= x <= 98 for x, _ in plot.ticks) and 2 <= len(plot.ticks) <= 5
    marks = {row.label: row.mark for row in plots[1].rows}
    assert marks == {"DaS": "", "SViMo": "tied", "SyncMV4D": "leader", "Geo4D": "", "GeometryCrafter": "leader"}


def test_plots_of_many_methods_show_the_best_of_each_column(board_of):
    ours = fake_runs.METHODS[0]
    levels = range(MAX_ROWS + 2)
    methods = [
        replace(ours, id=f"m{n}", name=f"M{n:02d}", means=fake_runs.means(1, 9, 5, 0.02 * 2 ** (20 - n), 0.01, 3 * 2**n))
        for n in levels
    ]  # fmt: skip
    board = board_of(methods, clips=2, seeds=(0,), metrics=(CHAMFER, MOTION))
    shown = [row.label for row in draw_plots(board)[0].rows]
    left_out = {f"M{n:02d}" for n in levels} - set(shown)
    assert len(shown) == MAX_ROWS and left_out == {
        "M08",
        "M09",
    }  # neither among the best by one column nor by the other
    assert len(methods) > MAX_METHODS and highlights(board, 1).pairs == ()


def test_each_methods_worst_clip_is_linked_with_its_value_and_mean(board):
    found = highlights(board, 3)
    clips = dict(found.worst)["SyncMV4D"]
    results = board.runs[0].headlines
    own = results[(results["method"] == "syncmv4d") & (results["metric"] == MOTION)].groupby("clip")["value"].mean()
    assert clips[2].clip == own.idxmax()
    assert (clips[2].value, clips[2].note) == (f"{own.max():.1f}", f"mean {own.mean():.1f}")
    page, _, fragment = clips[2].href.partition("#")
    assert page == "clip.html"
    assert parse_qs(fragment) == {"board": ["3"], "clip": [own.idxmax()], "rows": ["syncmv4d"]}
    assert dict(found.worst)["DaS"][1:] == (None, None)  # it has no motion
    assert found.disputed[2].value.startswith("SyncMV4D ") and ", Geo4D " in found.disputed[2].value


def test_pairs_are_told_apart_as_the_tests_of_the_ranking_do(board):
    found = {(one, other): cells for one, other, cells in highlights(board, 1).pairs}
    assert set(found) == {("SViMo", "SyncMV4D"), ("Geo4D", "GeometryCrafter")}
    assert [cell.is_separated for cell in found["SViMo", "SyncMV4D"]] == [False, False, False]
    assert [cell.is_separated for cell in found["Geo4D", "GeometryCrafter"]] == [False, True, True]
    (test,) = [test for test in board.tests[board.primary_columns[2]] if test.is_separated]
    means = {row.label: board.cells[m, board.primary_columns[2]].value for m, row in enumerate(board.rows)}
    cell = found["Geo4D", "GeometryCrafter"][2]
    assert cell.ahead == "GeometryCrafter"
    assert cell.difference == f"{means['Geo4D'] - means['GeometryCrafter']:.1f} ({test.low:.1f} to {test.high:.1f})"


def saturated(row):
    """Every prediction is perfect by one metric."""
    return row | ({"value": 100.0} if row["metric"] == "pi@1" else {})


def test_a_column_that_orders_nobody_is_folded_unless_it_is_primary(board_of):
    methods = [*REFERENCES, *fake_runs.METHODS[:2]]
    board = board_of(methods, clips=4, metrics=("rpe@1", "pi@1", CHAMFER), edit=saturated)
    view = build_board_view(board, {})
    assert [(column.title, column.is_folded) for column in view.tables[0].columns] == [
        ("RPE", False), ("PI", True), ("Cham. Dis.", False),
    ]  # fmt: skip
    assert view.folded == 1
    one = board_of(methods[:3], clips=4, metrics=("rpe@1",))
    assert [column.is_folded for column in build_board_view(one, {}).tables[0].columns] == [False]


@pytest.mark.browser
def test_folded_columns_are_counted_and_hidden_until_they_are_wanted(visit, tmp_path):
    run = fake_runs.write_run(
        tmp_path / "run", fake_runs.METHODS[:2], clips=4, metrics=("rpe@1", "pi@1"), edit=saturated
    )
    page = visit(build([run], tmp_path / "page", fake_runs.CARDS).as_uri())
    assert page.locator(".table tr.metrics th:visible .title").all_inner_texts() == ["RPE"]
    page.get_by_label("1 column that orders nobody").check()
    assert page.locator(".table tr.metrics th:visible .title").all_inner_texts() == ["RPE", "PI"]


def test_a_long_name_gives_way_to_the_methods_key_and_stands_below_it(board_of):
    ours = fake_runs.METHODS[0]
    long = replace(ours, name="SyncMV4D, trained on synthetic clips", more=ours.more | {"preset": "micro"})
    (row,) = build_board_view(board_of([long], clips=2), {}).tables[0].sections[0].rows
    assert (row.label, row.name) == ("syncmv4d+micro", "SyncMV4D, trained on synthetic clips")
