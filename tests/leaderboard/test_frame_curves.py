"""The curves of stored values of single frames."""

import fake_runs
import pytest

from hoibench.results.board import build_boards
from hoibench.results.result_row import ResultRow
from hoibench.results.results_file import write_rows
from hoibench.results.run_folder import read_run
from leaderboard.frame_curves import frame_curves
from leaderboard.media import PredictionMedia

METRIC = "dynamic_degree/dis@1"


def test_a_curve_has_the_mean_over_views_of_every_stored_frame_of_the_shown_seed(tmp_path):
    rows = []
    run = fake_runs.write_run(tmp_path / "run", clips=2, seeds=(0, 1), edit=lambda row: rows.append(row) or row)
    places = [row for row in rows if row["metric"] == METRIC and row["region"] == "full" and row["method"] == "das"]
    stored = {  # a value every other frame, of two views; frame 4 has one view alone
        (row["clip"], row["seed"], view, frame): 100 * row["seed"] + 10 * view + frame + n
        for n, row in enumerate(places)
        for view in range(2)
        for frame in (0, 2, 4)
        if (view, frame) != (1, 4)
    }
    frames = [
        row | {"view": f"cam-{view}", "frame": frame, "value": stored[row["clip"], row["seed"], view, frame]}
        for row in places
        for view in range(2)
        for frame in (0, 2, 4)
        if (view, frame) != (1, 4)
    ]
    frames += [row | {"frame": frame} for row in places for frame in (-1, 10**9)]  # no frames of a video
    write_rows(run / "results.parquet", [ResultRow(**row) for row in [*rows, *frames]])
    (board,) = build_boards([read_run(run)], fake_runs.CARDS)
    das = next(m for m, row in enumerate(board.rows) if row.method.id == "das")
    media = {(m, c): PredictionMedia(seed=1) for m in (das, das - 1) for c in range(2)}
    curves = frame_curves(board, media)
    card = fake_runs.CARDS[METRIC]
    for c, clip in enumerate(board.clips):
        a, b = ([stored[clip.id, 1, view, frame] for frame in (0, 2)] for view in range(2))
        first, second, last = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, stored[clip.id, 1, 0, 4]
        expected = [first, first, second, second, last, last]
        assert curves[das, c] == {f"{card.title}, {card.unit}": pytest.approx(expected)}
        assert curves[das - 1, c] == {}
