"""Packs: those of real runs pass, and each changed file, record or row is a problem that names it."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from toy_runs import explain_left_out_clips, run_toy

import reference_model
from hoibench.cli.main import main
from hoibench.results.pack import PackRecord, write_pack
from hoibench.results.results_file import SCHEMA
from hoibench.store import sha256_json
from hoibench.store.verified_folder import write_metadata
from hoibench.submissions import pack_check
from hoibench.submissions.pack_check import find_pack_problems

RECORDED = Path(reference_model.__file__).parent / "checkpoints" / "micro" / "results" / "test_seen"


@pytest.fixture(scope="module")
def packed(tmp_path_factory, package):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(package)
        from hoibench.datasets.registry import all_datasets
        from hoibench.methods.registry import installed_specs

        for cached in (all_datasets, installed_specs):
            cached.cache_clear()
        folder = tmp_path_factory.mktemp("packs")
        run_toy(folder / "r", limit=1, seed=(0, 1))
        explain_left_out_clips(folder / "r")
        write_pack(folder / "r", folder / "pack")
        return folder / "pack"


@pytest.fixture
def pack(packed, tmp_path, toy):
    return shutil.copytree(packed, tmp_path / "pack")


def seal(pack, **changes):
    """Write pack.json again, so that the hashes are those of the changed files."""
    table = json.loads((pack / "pack.json").read_text())
    (pack / "pack.json").unlink()
    predictions = {name: table[name] for name in ("predictions",)} | changes
    write_metadata(pack, PackRecord(**predictions))


def texts(pack):
    return [str(problem) for problem in find_pack_problems(pack)]


def change_record(pack, change):
    path = pack / "run.json"
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))
    seal(pack)


def change_rows(pack, change):
    path = pack / "results.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    seal(pack)


def set_column(name, value, metric="rpe@2"):
    def change(table):
        column = pc.if_else(pc.equal(table["metric"], metric), pa.scalar(value, table[name].type), table[name])
        return table.set_column(table.schema.get_field_index(name), pa.field(name, column.type), column)

    return change


def test_a_pack_has_no_problems(pack):
    assert texts(pack) == []


def test_the_recorded_results_of_the_model_can_be_packed_and_validated(tmp_path, capsys):
    shutil.copytree(RECORDED, tmp_path / "r")
    assert main(["pack", str(tmp_path / "r")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'r-pack'}\n"
    assert main(["validate", str(tmp_path / "r-pack")]) == 0
    (tmp_path / "r-pack" / "notes.txt").write_text("x")
    assert main(["validate", str(tmp_path / "r-pack")]) == 3
    assert "notes.txt does not belong to a pack" in capsys.readouterr().out


def test_other_files_links_folders_and_large_files_are_refused(pack, tmp_path, monkeypatch):
    (pack / "view-0.mp4").write_bytes(b"x")
    (pack / "evil").mkdir()
    (pack / "run.json").rename(tmp_path / "run.json")
    (pack / "run.json").symlink_to(tmp_path / "run.json")
    monkeypatch.setitem(pack_check.MAX_BYTES, "results.parquet", 10)
    found = texts(pack)
    assert len(found) == 4
    for number, expected in enumerate(
        ["evil does not", "results.parquet has", "run.json is a link", "view-0.mp4 does"]
    ):
        assert found[number].startswith(expected)


def test_a_changed_file_is_found_by_its_hash(pack):
    text = (pack / "run.json").read_text().replace('"still"', '"stall"')
    (pack / "run.json").write_text(text)
    assert "run.json has changed since it was written" in texts(pack)[0]


def test_pack_json_names_no_other_file(pack):
    table = json.loads((pack / "pack.json").read_text())
    table["files"]["../../etc/passwd"] = {"bytes": 1, "sha256": "0" * 64}
    del table["metadata_sha256"]
    (pack / "pack.json").write_text(json.dumps(table | {"metadata_sha256": sha256_json(table)}))
    (found,) = texts(pack)
    assert "expected run.json and results.parquet" in found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t["exit"].update(status="interrupted"), "exit.status is 'interrupted'"),
        (lambda t: t.update(config_hash="0" * 64), "config_hash is not the hash of the identity"),
        (lambda t: t.update(split_id="f" * 12), "split_id is 'ffffffffffff', not that of toy@1/demo"),
        (lambda t: t.update(clip_set_id="f" * 12), "clip_set_id is 'ffffffffffff', not that of the clips"),
        (lambda t: t["clips"][0].update(id="clip_9"), "that toy@1/demo lacks, such as 'clip_9'"),
        (lambda t: t.update(split="toy@1/../x"), "split cannot be checked"),
        (lambda t: t["methods"][0].update(kind="reference"), "has kind 'reference', expected 'method'"),
        (lambda t: t["methods"].pop(2), "lacks the reference rows ground_truth"),
        (lambda t: t["methods"][0].update(name="a\x1b[2J"), "methods[0].name has control characters"),
        (lambda t: t["provenance"].update({"a\nb\x00": 1}), "provenance, a key has control characters"),
        (lambda t: t["notes"].append("x" * 20_001), "notes[0] has 20001 characters"),
        (lambda t: t["methods"][0].update(seeds=[0]), "are of no unit of run.json"),
        (lambda t: t.update(metrics=["rpe@2"]), "are of no metric of run.json"),
        (lambda t: t.update(metrics=[*t["metrics"], "pi@1"]), "pi@1 has no row for"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_record_that_contradicts_itself_is_a_problem(pack, change, expected):
    change_record(pack, change)
    found = texts(pack)
    assert any(expected in text for text in found), found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (set_column("value", None), "have a value without status ok, or none with it"),
        (set_column("value", 1e9), "have a value outside the bounds of rpe@2"),
        (set_column("value", float("nan")), "column 'value' has NaN or infinity"),
        (set_column("status", "splendid"), "have a status other than ok"),
        (set_column("split", "synthetic@2/demo"), "have another split than run.json"),
        (set_column("region", "fg"), "have a region that rpe@2 does not have"),
        (set_column("unit", "furlong"), "have another unit than rpe@2"),
        (set_column("cap", 1.0), "have another cap than rpe@2"),
        (set_column("coverage", 1.5), "have a coverage outside 0 to 1"),
        (set_column("seed", 7), "are of no unit of run.json"),
        (set_column("seed", None), "column 'seed' has missing values"),
        (set_column("method", "../../x"), "are of no unit of run.json"),
        (set_column("details", "[1]"), "have details that are no JSON object"),
        (set_column("details", '{"x": 1e999}'), "have details that are no JSON object"),
        (set_column("reason", "\x1b]0;x\x07"), "have a reason with control characters"),
        (set_column("reason", "x" * 2001), "or over 2000 characters"),
        (lambda t: pa.concat_tables([t, t]), "are there twice"),
        (lambda t: t.filter(pc.not_equal(t["method"], "still")), "has no row for 2 of"),
        (lambda t: t.drop_columns("details"), "missing or unexpected columns details"),
        (lambda t: t.filter(pc.equal(t["method"], "nobody")), "has no row for"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rows_that_contradict_the_record_or_the_cards_are_problems(pack, change, expected):
    change_rows(pack, change)
    found = texts(pack)
    assert any(expected in text for text in found), found


def test_a_pack_of_a_part_of_the_split_says_why(pack):
    change_record(pack, lambda t: t.update(excluded=[]))
    (found,) = texts(pack)
    assert "clips lacks 5 of 6 clips of toy@1/demo" in found


def test_digests_of_no_unit_are_a_problem(pack):
    seal(pack, predictions={"still/seed-9/clip_1": "0" * 64})
    assert "'still/seed-9/clip_1', no unit of the run" in texts(pack)[0]


def test_more_rows_than_allowed_are_not_read(pack, monkeypatch):
    monkeypatch.setattr(pack_check, "read_rows", lambda path: pytest.fail("it was read"))
    columns = {field.name: pa.nulls(1_000_001, field.type) for field in SCHEMA}
    pq.write_table(pa.table(columns), pack / "results.parquet", compression="zstd")
    seal(pack)
    assert "has 1000001 rows, expected at most 1000000" in texts(pack)[0]
