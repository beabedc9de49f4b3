"""Packs of runs: equal bytes, no paths of the machine, and readable as a run."""

import json
import shutil
from pathlib import Path

import fake_runs
import pyarrow as pa
import pytest
from toy_runs import run_toy

import reference_model
from hoibench.cli.main import main
from hoibench.predictions import stored_digest
from hoibench.results.pack import PackRecord, without_folders, write_pack
from hoibench.results.results_file import read_rows, read_table, write_table
from hoibench.results.run_folder import read_run
from hoibench.store.verified_folder import read_metadata
from leaderboard.build import SiteOptions, build

RECORDED = Path(reference_model.__file__).parent / "checkpoints" / "micro" / "results" / "test_seen"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.usefixtures("toy")
def test_a_pack_has_the_rows_and_the_hashes_of_a_run_and_no_media(tmp_path):
    out = tmp_path / "r"
    run_toy(out, limit=2)
    pack = tmp_path / "pack"
    assert main(["pack", str(out), "--out", str(pack)]) == 0
    first = contents(pack)
    assert set(first) == {"pack.json", "run.json", "results.parquet"}
    assert read_rows(pack / "results.parquet").equals(read_rows(out / "results.parquet"))
    units = {f"still/seed-0/{clip.id}" for clip in read_run(pack).record.clips}
    metadata = read_metadata(pack, PackRecord, check="contents")
    assert metadata.predictions == {unit: stored_digest(out / "predictions" / unit) for unit in units}
    assert str(tmp_path) not in first["run.json"].decode()

    moved = out.rename(tmp_path / "elsewhere")
    write_pack(moved, tmp_path / "again")
    assert contents(tmp_path / "again") == first
    write_pack(moved, pack)
    assert contents(pack) == first


@pytest.mark.usefixtures("toy")
def test_results_that_are_not_those_of_the_scores_are_not_packed(tmp_path, capsys):
    out = tmp_path / "r"
    run_toy(out, limit=1, metrics="rpe")
    path = out / "results.parquet"
    table = read_table(path)
    number = table["method"].to_pylist().index("still")
    values = table["value"].to_pylist()
    values[number] = 1.0
    column = table.schema.get_field_index("value")
    for forged, message in (
        (table.set_column(column, table.schema.field(column), pa.array(values)), "rpe@2/full: value is 1.0, not "),
        (table.slice(0, table.num_rows - 1), f"has {table.num_rows - 1} rows, but the run's scores give "),
    ):
        write_table(path, forged)
        assert main(["pack", str(out)]) == 2
        error = capsys.readouterr().err
        assert message in error and f"hoibench merge {out}" in error
        assert not (tmp_path / "r-pack").exists()
    assert main(["merge", str(out)]) == 0
    assert main(["pack", str(out)]) == 0


@pytest.mark.usefixtures("toy")
def test_a_changed_prediction_is_not_packed(tmp_path):
    out = tmp_path / "r"
    run_toy(out, limit=1)
    (video,) = out.glob("predictions/still/*/*/view-0.mp4")
    data = bytearray(video.read_bytes())
    data[-1] ^= 1
    video.write_bytes(data)
    with pytest.raises(ValueError, match=r"view-0\.mp4 is missing, is a link or differs"):
        write_pack(out, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_what_methods_printed_and_where_files_were_is_left_out(tmp_path):
    failure = {
        "unit": "das/seed-0/a",
        "stage": "generate",
        "reason": "/home/me/das/run.py: no file",
        "log": "logs/a.log",
        "output": "token=x",
    }
    run = fake_runs.write_run(
        tmp_path / "r", clips=2, exit={"status": "over_budget", "failures": [failure]},
        edit=lambda row: row | ({"value": None, "status": "failed", "reason": r"C:\Users\me\x.npz is bad"} if row["metric"] == "pi@1" else {}),
    )  # fmt: skip
    write_pack(run, tmp_path / "pack")
    assert read_run(tmp_path / "pack").record.exit.failures[0].model_dump() == failure | {
        "reason": "run.py: no file", "log": None, "output": "",
    }  # fmt: skip
    assert set(read_rows(tmp_path / "pack" / "results.parquet")["reason"].dropna()) == {"x.npz is bad"}


def test_a_folder_with_something_else_is_not_replaced(tmp_path):
    run = fake_runs.write_run(tmp_path / "r", clips=2)
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name in ("mine", "link", "r"):
        with pytest.raises(ValueError, match="exists and is no pack"):
            write_pack(run, tmp_path / name)
    assert read_run(run).record.name == "r"


def test_an_unfinished_run_is_not_packed(tmp_path):
    run = fake_runs.write_run(tmp_path / "r", clips=2, exit={"status": "interrupted", "failures": []})
    with pytest.raises(ValueError, match="is of a run that is interrupted: finish the run"):
        write_pack(run, tmp_path / "pack")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot read '/data/taco/a b/x.pkl'", "cannot read 'a b/x.pkl'"),
        ("https://github.com/x/y and m/frame, and/or", "https://github.com/x/y and m/frame, and/or"),
        (json.dumps({"path": "C:\\Users\\me\\x"}), '{"path": "x"}'),
        ("--root=/a/b,/c/d/e", "--root=b,e"),
        ("runs/a/b", "runs/a/b"),
    ],
)
def test_folders_of_absolute_paths_are_cut(text, expected):
    assert without_folders([{"key": text}]) == [{"key": expected}]


def test_a_pack_is_shown_like_a_run(tmp_path, capsys):
    shutil.copytree(RECORDED, tmp_path / "r")
    write_pack(tmp_path / "r", tmp_path / "pack")
    for command in ("show", "compare"):
        assert main([command, str(tmp_path / "r")]) == 0
        expected = capsys.readouterr().out
        assert main([command, str(tmp_path / "pack")]) == 0
        assert capsys.readouterr().out.replace(str(tmp_path / "pack"), str(tmp_path / "r")) == expected
    page = build([tmp_path / "pack"], tmp_path / "site", options=SiteOptions(media_clips=0))
    assert "syncmv4d+micro" in page.read_text() + (page.parent / "runs.html").read_text()
