"""Stored predictions in a run, and the rows built from them."""

import json
import shutil

import pytest
from toy_runs import headline_rows, run_toy

from hoibench.cli.main import main
from hoibench.evaluation.build_run_record import RunRefused
from hoibench.metric_card import all_cards
from hoibench.results.board import build_boards
from hoibench.results.run_folder import read_run
from hoibench.store import read_npz, write_npz
from leaderboard.board_view import build_board_view

pytestmark = pytest.mark.usefixtures("toy")


def test_stored_predictions_are_scored_like_a_method(tmp_path):
    run_toy(tmp_path / "r", limit=2)
    folder = tmp_path / "r" / "predictions" / "still"
    outcome, _ = run_toy(tmp_path / "again", limit=2, method=(f"copy={folder}",))
    first, second = headline_rows(tmp_path / "r"), headline_rows(tmp_path / "again")
    assert outcome.exit_code == 0
    assert first.loc["still", "value"].tolist() == second.loc["copy", "value"].tolist()


def _copy_of(folder, target):
    shutil.copytree(folder, target)
    return target


def test_a_run_does_not_resume_with_changed_predictions(tmp_path):
    run_toy(tmp_path / "r", limit=1)
    mine = _copy_of(tmp_path / "r" / "predictions" / "still" / "seed-0", tmp_path / "mine")
    run_toy(tmp_path / "again", limit=1, method=(f"mine={mine}",))
    tracks = next(mine.glob("*/tracks.npz"))
    arrays = read_npz(tracks)
    write_npz(tracks, arrays | {"tracks": arrays["tracks"] * 3})
    with pytest.raises(RunRefused, match=r"changed mine \(content: \w+ -> \w+\)"):
        run_toy(tmp_path / "again", limit=1, method=(f"mine={mine}",))


def test_predictions_without_seed_folders_are_one_seed(tmp_path):
    run_toy(tmp_path / "r", limit=1)
    plain = _copy_of(tmp_path / "r" / "predictions" / "still" / "seed-0", tmp_path / "plain")
    run_toy(tmp_path / "a", limit=1, method=(f"mine={plain}",), seed=(0, 1, 2))
    assert headline_rows(tmp_path / "a").loc["mine"].index.get_level_values("seed").unique().tolist() == [0]
    outcome, _ = run_toy(
        tmp_path / "b", limit=1, method=(f"mine={plain.parent / 'r' / 'predictions' / 'still'}",), seed=(0, 1)
    )
    assert [failure.unit.split("/")[1] for failure in outcome.failures] == ["seed-1"]


def test_damaged_predictions_are_failures_and_no_predictions_an_error(tmp_path):
    run_toy(tmp_path / "r", limit=1)
    mine = _copy_of(tmp_path / "r" / "predictions" / "still" / "seed-0", tmp_path / "mine")
    tracks = next(mine.glob("*/tracks.npz"))
    complete = tracks.read_bytes()
    tracks.write_bytes(complete + b"\0")
    outcome, _ = run_toy(tmp_path / "a", limit=1, method=(f"mine={mine}",))
    size = len(complete)
    assert (
        f"tracks.npz has {size + 1} bytes, expected {size}, its size in prediction.json" in outcome.failures[0].reason
    )
    assert headline_rows(tmp_path / "a").loc["mine", "status"].tolist() == ["failed", "failed"]
    for part in (*mine.glob("*/view-*"), *mine.glob("*/prediction.json")):
        part.unlink()
    tracks.write_bytes(complete[:100])
    outcome, _ = run_toy(tmp_path / "b", limit=1, method=(f"mine={mine}",))
    assert "tracks.npz is not a complete npz file" in outcome.failures[0].reason
    assert headline_rows(tmp_path / "b").loc["mine", "status"].tolist() == ["failed", "failed"]
    tracks.unlink()
    with pytest.raises(ValueError, match="mine has no predictions"):
        run_toy(tmp_path / "c", limit=1, method=(f"mine={mine}",))


def test_the_scale_of_a_folder_is_used(tmp_path):
    run_toy(tmp_path / "r", limit=1)
    mine = _copy_of(tmp_path / "r" / "predictions" / "still" / "seed-0", tmp_path / "mine")
    (mine / "spec.toml").write_text('id = "mine"\npairing = "query"\noutputs = ["video", "tracks"]\nscale = "shared"\n')
    outcome, _ = run_toy(tmp_path / "a", limit=1, method=(f"mine={mine}",))
    assert "says scale metric" in outcome.failures[0].reason
    next(mine.glob("*/prediction.json")).unlink()
    run_toy(tmp_path / "b", limit=1, method=(f"mine={mine}",))
    assert headline_rows(tmp_path / "b").loc["mine", "alignment"].iloc[0] == "shared"


def test_a_frozen_self_row_is_rebuilt_with_its_method(tmp_path):
    run_toy(tmp_path / "r", limit=1)
    next((tmp_path / "r" / "predictions" / "still" / "seed-0").glob("*/prediction.json")).unlink()
    _, reports = run_toy(tmp_path / "r", limit=1)
    assert [(report.unit.method, report.stage) for report in reports if report.did_work] == [
        ("still", "generate"), ("still", "score"), ("frozen_self/still", "score"),
    ]  # fmt: skip
    outcome, _ = run_toy(tmp_path / "s", limit=1, method=("frozen", "frozen_self/frozen"), seed=(0, 1))
    assert outcome.exit_code == 0


def test_published_videos_are_rows_of_their_methods_that_say_so(field_data, tmp_path, capsys):
    root = tmp_path / "published"
    for name in ("das", "sv4d2"):
        (root / name / "case1").mkdir(parents=True)
        for view in range(2):  # of six
            file = f"{name}/case1/view-{view}.mp4"
            shutil.copyfile(field_data / "published" / file, root / file)
    manifest = json.loads((field_data / "published" / "manifest.json").read_text())
    manifest |= {"views": manifest["views"][:2], "clips": manifest["clips"][:1]}
    (root / "manifest.json").write_text(json.dumps(manifest))
    methods = [f"--method={name}={root / name}" for name in ("das", "sv4d2")]
    flags = ["--dataset=videos", f"--root={root}", "--metrics=dynamic_degree/dis", "--executor=inline"]
    assert main(["run", *methods, *flags, f"--out={tmp_path / 'run'}"]) == 0
    rows = headline_rows(tmp_path / "run")
    assert rows[rows["region"] == "full"].loc[["das", "sv4d2"], "status"].tolist() == ["ok", "ok"]

    run = read_run(tmp_path / "run")
    assert [(method.name, method.families, method.precomputed) for method in run.record.methods] == [
        ("Diffusion as Shader", ("v2v",), True), ("Stable Video 4D 2.0", ("v2v",), True),
    ]  # fmt: skip
    (board,) = build_boards([run], all_cards())
    sections = build_board_view(board, {}).tables[0].sections
    assert [row.badges[0] for section in sections for row in section.rows] == ["precomputed"] * 2
    capsys.readouterr()
    assert main(["show", str(tmp_path / "run")]) == 0
    assert "precomputed, i.e. not made by the run: das, sv4d2" in capsys.readouterr().out
