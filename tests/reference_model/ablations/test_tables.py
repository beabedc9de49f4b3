"""The tables of the ablations: values and comparisons of invented trainings, the paper's numbers and ordering, and their texts."""

import dataclasses
import re

import fake_runs
import pandas as pd
import pytest

from hoibench.results.board import build_boards
from hoibench.results.run_folder import read_run
from leaderboard.build import ExtraPage, SiteOptions, build
from reference_model.ablations.comparison import (
    COLUMNS,
    compare,
    find_column,
    find_rows,
    pairs_with_full,
    pairs_with_neighbours,
    paper_ordering,
    read_entry,
    training_spread,
)
from reference_model.ablations.tables import build_report, html_report, latex_report, markdown_report

MOTION, MATCHES = "mv_rpe_scene", "matching_pixels/sift-mnn"
FACTORS = {
    "full": (1.0, 1.0),
    "cycle_detached": (1.0, 1.0),
    "no_cycle": (1.2, 1.3),
    "no_aligner": (1.3, 0.9),  # larger on the mean, but not in each training
    "single_view": (2.0, 2.0),
}
"""Factors of all means in the two trainings, except of video_only, which has no motion."""


def ablation(row, factor):
    ours = next(method for method in fake_runs.METHODS if method.id == "syncmv4d")
    means = {metric: factor * value for metric, value in ours.means.items()}
    if row == "video_only":
        means = {metric: means[metric] for metric in fake_runs.VIDEO}
    return dataclasses.replace(ours, means=means, more=ours.more | {"preset": f"micro-{row}"})


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    found = []
    for training in range(2):
        rows = [ablation(row, factors[training]) for row, factors in FACTORS.items()] + [ablation("video_only", 0.5)]
        path = folder / f"training-{training}"
        path.mkdir()
        methods = [row for row in fake_runs.REFERENCE_ROWS if not row.id.startswith("frozen_self")]
        found.append(fake_runs.write_run(path, [*methods, *rows], seeds=(0, 1, 2)))
    return found


@pytest.fixture(scope="module")
def board(runs):
    (found,) = build_boards([read_run(run) for run in runs], fake_runs.CARDS)
    return found


@pytest.fixture(scope="module")
def report(board):
    return build_report(board, "micro")


def column(board, metric):
    (found,) = {find_column(board, each) for each in COLUMNS if each.metric == metric}
    return found


def test_a_value_is_the_mean_over_trainings_seeds_and_clips(board, runs):
    rows = pd.concat([pd.read_parquet(run / "results.parquet") for run in runs])
    mine = rows[(rows["preset"] == "micro-no_cycle") & (rows["metric"] == f"{MOTION}@1") & (rows["region"] == "full")]
    entry = read_entry(board, find_rows(board, "micro")["no_cycle"], column(board, MOTION))
    assert entry.value == pytest.approx(mine["value"].astype(float).mean())
    assert (entry.status, entry.unjudged, entry.coverage) == ("ok", None, 1.0)


def test_a_difference_counts_only_if_it_is_separated_and_has_its_sign_in_each_training(board):
    indices, n = find_rows(board, "micro"), column(board, MOTION)
    found = compare(board, indices, n, pairs_with_full(indices))
    full = read_entry(board, indices["full"], n).value
    no_cycle, no_aligner = found["no_cycle", "full"], found["no_aligner", "full"]
    assert no_cycle.verdict == "worse" and no_cycle.difference == pytest.approx(0.25 * full)
    assert no_cycle.by_training == pytest.approx((0.2 * full, 0.3 * full))
    assert no_cycle.low < no_cycle.difference < no_cycle.high and no_cycle.p < 0.05 and no_cycle.clips_needed
    assert no_aligner.p < 0.05 and no_aligner.by_training[0] > 0 > no_aligner.by_training[1]
    assert no_aligner.verdict == "not separable"
    equal = found["cycle_detached", "full"]
    assert (equal.difference, equal.verdict, equal.clips_needed) == (0.0, "not separable", None)
    assert ("video_only", "full") not in found, "it has no motion"


def test_more_matches_are_better(board):
    indices, n = find_rows(board, "micro"), column(board, MATCHES)
    found = compare(board, indices, n, pairs_with_full(indices))
    assert found["video_only", "full"].difference < 0 and found["video_only", "full"].verdict == "worse"
    assert found["no_cycle", "full"].difference > 0 and found["no_cycle", "full"].verdict == "better"


def test_comparisons_need_both_rows_of_a_pair():
    assert pairs_with_full(["no_cycle", "full"]) == [("no_cycle", "full")]
    assert pairs_with_full(["no_cycle"]) == []
    assert pairs_with_neighbours(["no_cycle", "cycle_detached", "video_only"]) == [("no_cycle", "cycle_detached")]


@pytest.mark.parametrize(("verdict", "expected"), [("worse", "confirmed"), ("better", "contradicted")])
def test_the_papers_ordering(board, verdict, expected):
    indices, n = find_rows(board, "micro"), column(board, MOTION)
    found = compare(board, indices, n, [("no_cycle", "full")])["no_cycle", "full"]
    found = dataclasses.replace(found, verdict=verdict)
    assert paper_ordering(found, 33.5, 32.7, higher_is_better=False) == expected
    assert paper_ordering(found, 498.2, 529.4, higher_is_better=True) == expected
    for unsure in ("not separable", "not judged"):
        other = dataclasses.replace(found, verdict=unsure)
        assert paper_ordering(other, 33.5, 32.7, higher_is_better=False) == unsure


def test_the_report_has_marks_values_the_papers_numbers_and_orderings(report):
    three, four = report.tables
    lines = {line["row"]: line for line in three.measured}
    assert list(lines) == [
        "One view at a time", "Videos only", "Without aligner", "Without cycle", "Cycle, detached", "SyncMV4D, full",
    ]  # fmt: skip
    marks = [lines["Videos only"][mark] for mark in ("Multi-view", "MJD", "DPA", "Cycle")]
    assert marks == ["✓", "–", "–", "–"]
    assert "missing" in lines["Videos only"]["multi-view RPE, %"]
    assert re.fullmatch(
        r"[\d.]+ \(\+[\d.]+ \[\+[\d.]+, \+[\d.]+\], worse\)", lines["Without cycle"]["multi-view RPE, %"]
    )
    assert three.paper[1] == {"Mat. Pix.": "462.6", "RPE": ""} and three.paper[4] == {"Mat. Pix.": "", "RPE": ""}
    assert [line["row"] for line in four.measured] == ["Without aligner", "SyncMV4D, full"]
    assert four.paper[0]["Mat. Pix."] == "503.1" and "MJD" not in four.measured[0]
    orderings = {(line["row"], line["column"]): line["the paper's ordering"] for line in three.differences}
    assert orderings["Without cycle", "multi-view RPE, %"] == "confirmed"
    assert orderings["Without cycle", "matching pixels"] == "contradicted"
    assert orderings["Without aligner", "multi-view RPE, %"] == "not separable"
    assert orderings["Cycle, detached", "multi-view RPE, %"] == "none"
    assert orderings["One view at a time", "matching pixels"] == "not judged", "its videos move too much"
    assert lines["One view at a time"]["matching pixels"].endswith("not judged)")
    assert any(
        note.startswith("One view at a time, matching pixels") and "not judged, since" in note for note in report.notes
    )
    clips = {(line["row"], line["column"]): line["clips that separate"] for line in three.differences}
    assert clips["Without aligner", "multi-view RPE, %"] == "trainings disagree"
    assert clips["Cycle, detached", "multi-view RPE, %"] == "not estimated"
    assert int(clips["Without cycle", "multi-view RPE, %"]) >= 6
    assert "2 trainings of each row from one common start, with 3 sampling seeds each" in report.summary
    assert any(line["row"] == "Without cycle" and line["against"] == "Cycle, detached" for line in report.neighbours)
    assert all(line["differs in"] for line in report.neighbours)


def test_a_pair_has_one_p_value_in_all_tables(report):
    lines = [line for table in report.tables for line in table.differences]
    lines += [line for line in report.neighbours if line["against"] == "SyncMV4D, full"]
    found = {}
    for line in lines:
        found.setdefault((line["row"], line["column"]), set()).add((line["p"], line["row is"]))
    assert len(lines) > len(found) and all(len(values) == 1 for values in found.values())


def test_notes_tell_how_far_trainings_differ_and_what_standing_still_gets(report):
    (spread,) = [note for note in report.notes if note.startswith("multi-view RPE, %: trainings of one row")]
    assert "(One view at a time)" not in spread and "(Without aligner)" in spread, "its factors are 1.3 and 0.9"
    (still,) = [note for note in report.notes if note.startswith("The true first frame held still")]
    assert "multi-view RPE, %" in still


def test_trainings_differ_in_the_quantity_that_is_compared(board):
    (ratio,) = [n for n, each in enumerate(board.columns) if each.card.direction == "ratio"]
    rows = find_rows(board, "micro")
    first, second = compare(board, rows, ratio, [("no_aligner", "full")])["no_aligner", "full"].by_training
    assert training_spread(board, rows["full"], ratio) == 0, (
        "so the trainings of the other row differ as their differences do"
    )
    assert training_spread(board, rows["no_aligner"], ratio) == pytest.approx(abs(first - second))


def test_a_training_without_all_rows_is_left_out(runs, tmp_path):
    rows = [ablation(row, factors[0]) for row, factors in FACTORS.items() if row != "no_cycle"]
    methods = [row for row in fake_runs.REFERENCE_ROWS if not row.id.startswith("frozen_self")]
    (tmp_path / "training-1").mkdir()
    partial = fake_runs.write_run(tmp_path / "training-1", [*methods, *rows], seeds=(0, 1, 2))
    (board,) = build_boards([read_run(run) for run in (runs[0], partial)], fake_runs.CARDS)
    assert {len(indices) for indices in find_rows(board, "micro").values()} == {1}
    report = build_report(board, "micro")
    assert "1 training of each row" in report.summary and "of these weights, not of the method" in report.summary
    assert "1 training without all of these rows left out." in report.notes


def test_markdown_and_latex_have_the_same_texts(report):
    markdown, latex = markdown_report(report), latex_report(report)
    value = report.tables[0].measured[3]["multi-view RPE, %"].split()[0]
    assert value in markdown and value in latex
    assert "| paper's Mat. Pix. | paper's RPE |" in markdown and "| 498.2 | 33.5 |" in markdown
    assert r"$\checkmark$" in latex and "✓" not in latex and r"\%" in latex


def test_the_papers_numbers_have_a_frame_of_their_own_on_the_page(runs, report, tmp_path):
    html = html_report(report)
    frames = re.findall(r"<figure class=\"paper-table\">.*?</figure>", html, re.DOTALL)
    assert len(frames) == 2 and "498.2" in frames[0]
    for frame in frames:
        html = html.replace(frame, "")
    assert "498.2" not in html and "Without cycle" in html
    pages = [ExtraPage("ablations.html", "Ablations", html_report(report))]
    build(runs, tmp_path, fake_runs.CARDS, options=SiteOptions(media_clips=0), extra=pages)
    page = (tmp_path / "ablations.html").read_text()
    assert "Without cycle" in page and 'href="ablations.html"' in (tmp_path / "index.html").read_text()


def test_a_run_without_rows_is_refused(board):
    with pytest.raises(ValueError, match="has no row of Tables 3 and 4 of nano"):
        build_report(board, "nano")
