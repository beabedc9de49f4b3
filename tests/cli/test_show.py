"""``hoibench show``: notable clips, and the numbers of the page by the commands that the page prints."""

import html
import re
import shlex

import fake_runs
import pytest

from hoibench.cli.main import main
from hoibench.exclusions import ExcludedClip, Exclusions
from hoibench.results.run_folder import read_run
from leaderboard.build import build

METHODS = [method for method in fake_runs.METHODS if method.id in ("syncmv4d", "svimo", "geo4d")]
REFERENCE_ROWS = [row for row in fake_runs.REFERENCE_ROWS if row.id in ("ground_truth", "frozen")]
METRICS = ("rpe@1", "smoothness@1", "mv_rpe_scene@1", "xv_rpe@1")
PAGES = [(("first run",), "index.html"), (("first run", "second"), "index.html"), (("first run",), "paper.html")]


def _fail_two(row):
    if row["method"] == "svimo" and row["metric"] == "rpe@1" and row["clip"][-3:] in ("003", "007"):
        return row | {"value": None, "status": "failed", "reason": "no"}
    return row


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("show")
    fake_runs.write_run(root / "first run", [*REFERENCE_ROWS, *METHODS], clips=10, metrics=METRICS, edit=_fail_two)
    fake_runs.write_run(root / "second", METHODS[:1], clips=8, metrics=METRICS)
    return root


@pytest.fixture
def show(runs, monkeypatch, capsys):
    """Run a command in the folder of the runs, with the metric cards of the fake runs, and return what it prints."""
    paper = {"rpe@1": {"sets": ("paper",)}}
    cards = {id: card.model_copy(update=paper.get(id, {})) for id, card in fake_runs.CARDS.items()}
    monkeypatch.chdir(runs)
    monkeypatch.setattr("hoibench.metric_card.all_cards", lambda: cards)

    def run(command):
        assert main(shlex.split(command)[1:]) == 0
        return capsys.readouterr().out

    run.cards = cards
    return run


@pytest.mark.parametrize(("folders", "page"), PAGES)
def test_every_number_on_the_page_is_printed_by_the_command_beside_it(show, runs, tmp_path, folders, page):
    build([runs / name for name in folders], tmp_path, show.cards)
    cells = re.findall(r'<td class="ok.*?</td>', (tmp_path / page).read_text(), re.S)
    assert len(cells) > 4
    for cell in cells:
        command, run_command = re.findall(r'<code class="command">(.*?)</code>', cell)
        assert run_command == "python -m hoibench.run --method syncmv4d --method svimo"
        printed = show(html.unescape(command))
        details = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", cell)
        assert details
        for name, text in details:
            assert f"  {html.unescape(name)}: {html.unescape(text)}\n" in printed
        shown = re.search(r'class="value"[^>]*>(-?[\d.]+)[ <]', cell)[1]
        mean = float(re.search(r"  mean: (\S+)", printed)[1])
        assert float(shown) == pytest.approx(mean, rel=1e-5, abs=0.5 * 10.0 ** -len(shown.partition(".")[2]))


def test_a_cell_lists_its_clips_from_the_worst(show):
    printed = show("hoibench show 'first run' --method svimo --metrics rpe")
    assert "mean over answered clips:" in printed and "8 answered, 2 failed" in printed
    assert re.findall(r"^  \d{8}_(\d{3})  3 of 3 seeds failed, the mean has 100 for it$", printed, re.M) == [
        "003",
        "007",
    ]
    values = [float(value) for value in re.findall(r"^  \d{8}_\d{3}  ([\d.]+)$", printed, re.M)]
    assert len(values) == 8 and values == sorted(values, reverse=True)
    assert "by: hoibench score first run" in printed


def test_the_worst_clips_and_the_largest_disagreements_are_listed(show):
    printed = show("hoibench show 'first run' --clips 1")
    assert "demonstration: not separated does not mean equal (10 clips, 10 object pairs)" in printed
    listed = printed[printed.index("\nrpe@1\n") :]
    assert re.search(r"  worst clips: \d{8}_00[37] SViMo failed\n", listed)
    assert re.search(r"  largest differences between methods: \d{8}_\d{3} \w+ / \w+ [\d.]+ / [\d.]+", listed)
    assert re.search(r"  largest deviations between seeds: \S+ \w+ [\d.]+ ± [\d.]+\n", listed)


@pytest.mark.parametrize("flags", ["--method nobody --metrics rpe", "--method svimo --metrics rpf"])
def test_a_cell_that_does_not_exist_is_an_error(show, flags, capsys):
    assert main(shlex.split(f"hoibench show 'first run' {flags}")[1:]) == 2
    assert "no row" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [("--metrics rpf", "no column rpf in region full"), ("--region feet", "region feet (regions: full"), ("--clips -1", "--clips -1: give")],
)  # fmt: skip
def test_a_wrong_value_is_an_error_that_names_it(show, flags, message, capsys):
    assert main(shlex.split(f"hoibench show 'first run' {flags}")[1:]) == 2
    assert message in capsys.readouterr().err


def test_methods_that_do_not_fit_the_terminal_get_tables_of_their_own(show, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "90")
    printed = re.sub(r"\x1b\[[\d;]*m", "", show("hoibench show 'first run' --metrics mv_rpe_scene"))
    assert printed.count("region full") == 3
    for name in ("ground_truth", "frozen", "syncmv4d", "svimo", "geo4d"):
        assert re.search(rf"^ metric .* {name}\b", printed, re.M)


def test_a_method_needs_a_metric(show, capsys):
    assert main(["show", "first run", "--method", "svimo"]) == 2
    assert "needs --metrics" in capsys.readouterr().err


def test_boards_are_shown_with_and_without_excluded_clips(show, runs, tmp_path):
    clips = [clip.id for clip in read_run(runs / "first run").record.clips]
    Exclusions(clips=tuple(ExcludedClip(id=id) for id in clips[:3])).write(tmp_path / "suspects.json")
    command = f"hoibench show 'first run' --exclude {tmp_path / 'suspects.json'}"
    printed = show(command)
    assert printed.index(", 10 clips,") < printed.index(", 7 clips,")
    assert "Without 3 of 10 clips, excluded by suspects.json (" in printed
    full, less = show(f"{command} --method syncmv4d --metrics rpe").split("SyncMV4D, rpe@1, full")[1:]
    assert "10 clips" in full and "7 clips" in less
    assert all(clip in full and clip not in less for clip in clips[:3])
    Exclusions(clips=tuple(ExcludedClip(id=id) for id in clips)).write(tmp_path / "suspects.json")
    for printed in (show(command), show(f"{command} --method syncmv4d --metrics rpe")):
        assert printed.count(", 10 clips,") == 1
        assert re.search(r"suspects\.json \(\w+\) excludes 10 clips of .*, all of the table", printed)


def test_a_board_without_clips_left_does_not_hide_the_others(show, runs, tmp_path):
    other = fake_runs.write_run(tmp_path / "other", METHODS[:1], clips=2, metrics=METRICS, split="toy@1/other")
    clips = [clip.id for clip in read_run(other).record.clips]
    Exclusions(clips=tuple(ExcludedClip(id=id) for id in clips)).write(tmp_path / "suspects.json")
    printed = show(f"hoibench show 'first run' {other} --exclude {tmp_path / 'suspects.json'}")
    assert [len(re.findall(rf", {number} clips,", printed)) for number in (10, 8, 2)] == [1, 1, 1]
    assert "excludes 2 clips of toy@1/other, all of the table" in printed
