"""Verification of runs: equal results pass, and each way to change a result or a prediction is found."""

import json
import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from toy_runs import RecordingListener, explain_left_out_clips, run_toy

from hoibench.cli.main import main
from hoibench.evaluation.build_run_record import RunRefused
from hoibench.evaluation.compare_rows import relative_difference
from hoibench.evaluation.unit import Unit
from hoibench.evaluation.verify import VerifySettings, verify
from hoibench.predictions import read_prediction, write_prediction
from hoibench.results.pack import write_pack
from hoibench.store import sha256_file

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, package):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(package)
        from hoibench.datasets.registry import all_datasets
        from hoibench.methods.registry import installed_specs

        for cached in (all_datasets, installed_specs):
            cached.cache_clear()
        out = tmp_path_factory.mktemp("verify") / "r"
        run_toy(out, limit=1, seed=(0, 1))
        explain_left_out_clips(out)
        return out


@pytest.fixture
def out(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "r")


def check(out, share=1.0, pack=None, seed=0):
    return verify(out, VerifySettings(share, seed, 1e-6, workers=1, pack=pack), "cpu", RecordingListener())


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change_rows(out, column, value, metric="rpe@2", seed=0):
    path = out / "results.parquet"
    table = pq.read_table(path)
    is_row = pc.and_(pc.equal(table["method"], "still"), pc.equal(table["metric"], metric))
    is_row = pc.and_(is_row, pc.equal(table["seed"], seed))
    changed = pc.if_else(is_row, pa.scalar(value, table[column].type), table[column])
    pq.write_table(table.set_column(table.schema.get_field_index(column), table.schema.field(column), changed), path)


def texts(found):
    return [str(problem) for problem in found.problems]


def test_a_run_is_confirmed_and_not_changed(out, capsys):
    before = files(out)
    assert main(["verify", str(out), "--share", "1", "--workers", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()[-1]
    rows = len(pd.read_parquet(out / "results.parquet"))
    assert "still 2 of 2 units, reference rows 11 of 11 units" in printed
    assert f"{rows} rows compared: no difference" in printed
    assert files(out) == before


def test_the_sample_repeats_with_its_seed_and_has_a_few_units_of_each_method(out, capsys):
    assert main(["verify", str(out), "--seed", "3", "--workers", "1", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert (len(first["units"]), first["seed"], first["problems"]) == (3, 3, [])
    assert first["samples"] == {"still": {"units": 2, "of": 2}, "reference rows": {"units": 1, "of": 11}}
    assert [unit.key for unit in check(out, share=0.05, seed=3).units] == first["units"]


def test_a_forged_row_of_a_small_method_is_found_by_every_sample(out):
    change_rows(out, "value", 1.0)
    assert all(any("has value 1, not" in text for text in texts(check(out, 0.05, seed=seed))) for seed in range(3))


def test_every_changed_row_is_found(out):
    change_rows(out, "value", 1.0, "rpe@2", 0)
    change_rows(out, "prediction", "0" * 16, "chamfer@2", 0)
    change_rows(out, "alignment", "scale", "rpe@2", 1)
    change_rows(out, "region", "fg", "chamfer@2", 1)
    found = sorted(texts(check(out)))
    expected = [
        ("still/seed-0", "chamfer@2", f"has prediction '{'0' * 16}', not "),
        ("still/seed-0", "rpe@2", "has value 1, not "),
        ("still/seed-1", "chamfer@2", "has a row of fg that scoring again does not give"),
        ("still/seed-1", "rpe@2", "has alignment 'scale', not "),
    ]
    assert len(found) == len(expected)
    for text, parts in zip(found, expected, strict=True):
        assert all(part in text for part in parts), text


def test_values_without_a_prediction_are_found(out):
    shutil.rmtree(out / "predictions" / "still" / "seed-1")
    problems = texts(check(out))
    assert len(problems) == 2, "of the method and its first frame, repeated"
    assert all("still/seed-1/clip_" in text and "is not complete, but has values" in text for text in problems)


def test_another_prediction_is_found(out):
    (folder,) = out.glob("predictions/still/seed-0/*")
    prediction = read_prediction(folder)
    pack = out.parent / "pack"
    write_pack(out, pack)
    write_prediction(folder, prediction.__class__(tracks=prediction.tracks * 1.1, anchors=prediction.anchors), fps=8.0)
    assert any("has value" in text for text in texts(check(out)))
    assert any("is not the prediction of the pack" in text for text in texts(check(out, pack=pack)))


def test_a_pack_is_confirmed_by_the_predictions_of_its_run(out):
    pack = out.parent / "pack"
    write_pack(out, pack)
    for name in ("run.json", "results.parquet"):
        (out / name).unlink()
    assert not check(out, pack=pack).problems


def test_a_damaged_pack_is_refused(out):
    pack = out.parent / "pack"
    write_pack(out, pack)
    change_rows(pack, "value", 1.0)
    with pytest.raises(ValueError, match=r"results\.parquet has .*: pack the run again"):
        check(out, pack=pack)


def test_a_link_is_not_followed_and_a_damaged_video_not_scored(out):
    (video,) = out.glob("predictions/still/seed-0/*/view-0.mp4")
    video.rename(out.parent / "elsewhere.mp4")
    video.symlink_to(out.parent / "elsewhere.mp4")
    (folder,) = out.glob("predictions/still/seed-1/*")
    data = (folder / "view-0.mp4").read_bytes()
    (folder / "view-0.mp4").write_bytes(data[: len(data) // 2])
    record = json.loads((folder / "prediction.json").read_text())
    facts = {"bytes": len(data) // 2, "sha256": sha256_file(folder / "view-0.mp4")}
    record["files"]["view-0.mp4"] = facts
    (folder / "prediction.json").write_text(json.dumps(record))
    found = texts(check(out))
    assert any("view-0.mp4 is missing, is a link" in text for text in found)
    assert any("view-0.mp4" in text and "truncated" in text for text in found)


@pytest.mark.parametrize("key", ["id", "preset"])
def test_a_record_cannot_name_paths_outside_the_run(out, key):
    record = json.loads((out / "run.json").read_text())
    record["methods"][0][key] = "../../../x"
    (out / "run.json").write_text(json.dumps(record))
    for command in ("verify", "merge", "score"):
        before = files(out.parent)
        assert main([command, str(out)]) == 2
        changed = {path for path, data in files(out.parent).items() if before.get(path) != data}
        assert all(path.is_relative_to(out) for path in changed)


@pytest.mark.parametrize("clip", ["..", "", "a/../b", "/etc", "a\\b", "a\0b"])
def test_a_unit_is_a_path_inside_its_run(clip):
    with pytest.raises(ValueError, match="is no unit of a run: its path leaves the run's folder"):
        Unit("still", None, 0, clip)


def test_an_unfinished_run_and_one_without_predictions_are_refused(out):
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(record | {"exit": {"status": "stopped", "failures": []}}))
    with pytest.raises(RunRefused, match="is of a run that is stopped"):
        check(out)


def test_the_run_cannot_choose_its_data_set_folder(out):
    record = json.loads((out / "run.json").read_text())
    record["config"] |= {"root": str(out / "no such folder"), "weights": "/no/such", "adapter": ["/no/such.py:X"]}
    (out / "run.json").write_text(json.dumps(record))
    assert not check(out, share=0.01).problems


@pytest.mark.parametrize(("a", "b", "expected"), [(0.0, 1e-7, 0.0), (1.0, 1.1, 0.1 / 1.1), (-1.0, 1.0, 2.0)])
def test_differences_are_relative_but_near_zero(a, b, expected):
    assert relative_difference(a, b) == relative_difference(b, a) == pytest.approx(expected, abs=1e-12)
