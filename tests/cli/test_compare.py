"""``hoibench compare`` and ``hoibench power``: tables, files, and errors that name the fix."""

import re
from dataclasses import replace
from pathlib import Path

import fake_runs
import pandas as pd
import pytest

from hoibench.cli.compare import print_table
from hoibench.cli.main import main
from hoibench.results.board import build_boards
from hoibench.results.run_folder import read_run

METRICS = ("rpe@1", "pi@1", "smoothness@1", "mv_rpe_scene@1")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of four runs: two of the same clips, one of few clips, and one of another split."""
    root = tmp_path_factory.mktemp("runs")
    ours = [method for method in fake_runs.METHODS if method.id in ("syncmv4d", "svimo")]
    fake_runs.write_run(root / "a", metrics=METRICS, clips=24, instances=12)
    fake_runs.write_run(root / "b", ours, metrics=METRICS, clips=24, instances=12, edit=twice_as_bad)
    fake_runs.write_run(root / "few", ours, metrics=METRICS, clips=8, instances=5, first_clip=4)
    fake_runs.write_run(root / "other", ours, metrics=METRICS, split_id="000000000000")
    return root


@pytest.fixture
def runs(written, monkeypatch):
    """The same as the working folder, with fake cards."""
    monkeypatch.setattr("hoibench.metric_card.all_cards", lambda: fake_runs.CARDS)
    monkeypatch.chdir(written)
    return written


def twice_as_bad(row):
    return row | {"value": row["value"] * 2} if row["metric"] == "rpe@1" else row


def printed(capsys, *words):
    assert main(list(words)) == 0
    return capsys.readouterr().out


def error(capsys, *words):
    assert main(list(words)) == 2
    return capsys.readouterr().err


def test_the_csv_has_the_paired_differences_of_all_pairs(runs, capsys):
    text = printed(capsys, "compare", "a:syncmv4d", "a:svimo", "a:frozen", "--csv", "out.csv")
    found = pd.read_csv(runs / "out.csv", keep_default_na=False)
    assert len(found) == 3 * len(METRICS)
    rows = read_run(runs / "a").headlines
    by_clip = {
        m: rows[(rows["method"] == m) & (rows["metric"] == "pi@1")].groupby("clip")["value"].mean()
        for m in ("syncmv4d", "svimo")
    }
    difference = (by_clip["syncmv4d"] - by_clip["svimo"]).mean()
    line = found[(found["metric"] == "pi@1") & (found["second"] == "SViMo")].iloc[0]
    assert (line["first"], line["clips"], line["clusters"], line["primary"]) == ("SyncMV4D", 24, 12, False)
    assert line["difference"] == pytest.approx(difference) == pytest.approx(line["mean_first"] - line["mean_second"])
    assert line["low"] < line["difference"] < line["high"] and line["note"] == ""
    frozen = found[(found["metric"] == "rpe@1") & (found["second"] == "Frozen first frame")]
    assert set(frozen["better"]) == {"SyncMV4D", "SViMo"} and set(frozen["note"]) == {
        "Frozen first frame: a reference row"
    }
    assert (frozen["p"] < 0.05).all() and (frozen["difference"].abs() > frozen["separable"]).all()
    assert "24 clips in 12 clusters" in text and "Demonstration" not in text
    assert "corrected for the 3 pairs" in text


def test_the_same_pair_has_the_p_value_of_the_page_if_it_is_alone_in_its_class(runs, capsys):
    """SyncMV4D and SViMo are the two methods of their class."""
    printed(capsys, "compare", "a:svimo", "a:syncmv4d", "--metrics", "rpe@1", "--csv", "out.csv")
    (line,) = pd.read_csv(runs / "out.csv").to_dict("records")
    (board,) = build_boards([read_run(runs / "a")], fake_runs.CARDS)
    (c,) = [n for n, column in enumerate(board.columns) if (column.card.id, column.region) == ("rpe@1", "full")]
    standings = [board.cells[m, c].standing for m in range(len(board.rows))]
    (test,) = [
        s.to_leader
        for s in standings
        if s.to_leader and s.to_leader.difference == pytest.approx(abs(line["difference"]))
    ]
    assert test.p == line["p"]
    assert test.separable == pytest.approx(line["separable"])


def test_a_narrow_terminal_has_a_line_for_each_cell(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, for rich
    monkeypatch.setenv("TERM", "xterm")
    cells = {"metric": "rpe@2 (%)", "first": "mine 26.1", "second": "yours 7"}
    for columns, text in (
        (40, "the title\nmetric: rpe@2 (%)\nfirst: mine 26.1\nsecond: yours 7\n\n"),
        (60, "rpe@2 (%)   mine 26.1   yours 7"),
    ):
        monkeypatch.setenv("COLUMNS", str(columns))
        print_table("the title", pd.DataFrame([cells]))
        assert text in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)


def test_runs_are_compared_on_their_shared_clips(runs, capsys):
    text = printed(capsys, "compare", "a:syncmv4d", "few:svimo", "--metrics", "rpe@1")
    assert re.search(r"\b8/5\b", text)
    assert "Demonstration: not separated does not mean equal. 8 clips in 5 clusters" in text
    text = printed(capsys, "compare", "a:syncmv4d", "b:syncmv4d", "--metrics", "rpe@1")
    assert "SyncMV4D (a)" in text and "SyncMV4D (b)" in text and "this pair only" in text


def test_latex_and_markdown_have_the_same_cells(runs, capsys):
    printed(capsys, "compare", "a:syncmv4d", "a:svimo", "--latex", "t.tex", "--markdown", "t.md")
    latex, markdown = (runs / "t.tex").read_text(), (runs / "t.md").read_text()
    lines = [line.strip("| \n").split(" | ") for line in markdown.splitlines()]
    assert lines[0][0] == "metric" and set(lines[1]) == {"---"} and len(lines) == 2 + len(METRICS)
    assert latex.startswith("\\begin{tabular}") and "\\toprule" in latex
    for line in lines[2:]:
        cells = re.sub(r"\\(.)", r"\1", " & ".join(line))  # without the escapes of Markdown
        assert cells.replace("_", "\\_").replace("%", "\\%") in latex


@pytest.mark.parametrize("flag", ["--csv", "--latex", "--markdown"])
def test_a_file_that_cannot_be_written_is_refused_before_the_comparison(runs, capsys, flag, monkeypatch):
    monkeypatch.setattr("hoibench.results.comparison.compare_methods", None)
    text = error(capsys, "compare", "a:syncmv4d", "a:svimo", flag, "a/run.json/t")
    place = Path("a/run.json").absolute()
    assert text == f"error: {flag} a/run.json/t cannot be created, since {place} is a file: give a writable path\n"


def test_hostile_names_stay_in_their_cells_and_a_pair_with_few_clusters_has_no_p(runs, capsys):
    name = "A | [red]b[/red] \\"
    methods = [replace(method, name=name) if method.id == "svimo" else method for method in fake_runs.METHODS[:2]]
    fake_runs.write_run(runs / "hostile", methods, metrics=METRICS, clips=8, instances=5)
    text = printed(capsys, "compare", "hostile", "--metrics", "rpe", "--markdown", "h.md")
    header, _, line = (runs / "h.md").read_text().splitlines()
    assert len(re.findall(r"(?<!\\)\|", line)) == header.count("|") and "A \\| \\[red\\]b\\[/red\\] \\\\" in line
    assert name in text and re.search(r"\] +- +- +not separated", text)


def test_power_says_how_many_clusters_and_clips(runs, capsys):
    text = printed(capsys, "power", "a:syncmv4d", "a:frozen", "--metrics", "rpe@1")
    assert re.search(r"rpe@1 \(%\) +SyncMV4D +Frozen first frame +[\d.]+ +6 +12 +1\.00", text)
    text = printed(capsys, "power", "a:syncmv4d", "a:svimo", "--metrics", "rpe", "--difference", "0.2")
    clusters, clips = map(int, re.search(r"SViMo +0\.2 +(\d+) +(\d+) ", text).groups())
    assert clusters > 6 and clips == 2 * clusters


def test_several_metrics_are_chosen_and_power_names_those_that_it_leaves_out(runs, capsys):
    one = lambda row: None if (row["method"], row["metric"]) == ("svimo", "pi@1") else row  # noqa: E731
    fake_runs.write_run(runs / "half", fake_runs.METHODS[:2], metrics=METRICS, edit=one)
    text = printed(capsys, "power", "half", "--difference", "1", "--metrics", "rpe", "--metrics", "pi")
    assert "rpe@1 (%)" in text and "Left out, because not all of these methods have values: pi@1." in text
    assert "smoothness" not in text
    text = printed(capsys, "compare", "half", "--metrics", "pi")
    assert re.search(r"SyncMV4D - +- \[-, -\] +- +- +no shared clips \(1\) +0/0", text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("compare",), "no run given: hoibench compare RUN"),
        (("compare", "missing"), "missing/run.json does not exist; give a run folder"),
        (("compare", "a:nobody", "a:svimo"), "a has no method 'nobody'; it has .*svimo"),
        (("compare", "a:svimo"), "fewer than two methods to compare; name another run, or two rows as RUN:METHOD out of .*frozen"),
        (("compare", "a", "other"), "share no clips and cannot be compared .*name runs of the same split"),
        (("compare", "a", "--metrics", "no@1"), r"no column no@1 in region full \(regions: full\); columns that can be compared: .*rpe@1"),
        (("power", "a", "--power", "80"), "--power 80: give a share between 0 and 1"),
        (("power", "a", "--difference", "0"), "--difference 0: give a difference above 0"),
    ],
)  # fmt: skip
def test_an_error_names_the_value_and_the_fix(runs, capsys, words, message):
    assert re.search(message, error(capsys, *words))


def test_power_needs_clusters_to_learn_from(runs, capsys):
    assert "clips of only 5 clusters" in error(capsys, "power", "few:syncmv4d", "few:svimo")
