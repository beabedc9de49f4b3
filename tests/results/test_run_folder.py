"""Reading runs, and the messages for an invalid run.json."""

import json

import fake_runs
import pytest

from hoibench.results.run_folder import read_run
from hoibench.results.run_record import Failure, RunRecord


@pytest.fixture
def folder(tmp_path):
    return fake_runs.write_run(tmp_path / "run", fake_runs.REFERENCE_ROWS[:1], clips=2, seeds=(0,))


def change(folder, **keys):
    table = json.loads((folder / "run.json").read_text()) | keys
    (folder / "run.json").write_text(json.dumps(table))


def test_a_run_is_read_back(folder):
    run = read_run(folder)
    record = run.record
    assert (record.name, record.kind, record.exit.status, record.seeds) == ("run", "synthetic", "done", (0,))
    assert record.clips[0].triplet == ("hammer", "hit", "toy") and record.methods[0].id == "ground_truth"
    assert set(run.headlines["method"]) == {"ground_truth"}


def test_a_written_record_is_read_back(folder):
    change(folder, excluded=["3: shorter than a clip"], truth_id="taco 512x376", notes=["crop=clip"])
    record = RunRecord.read(folder / "run.json")
    failed = record.with_exit("over_budget", [Failure(unit="a/seed-0/c", stage="generate", reason="broke")])
    assert failed.exit.status == "over_budget" and record.exit.status == "done"
    failed.write(folder / "run.json")
    assert read_run(folder).record == failed


def test_a_method_may_have_several_presets_but_each_only_once(folder):
    methods = [{"id": "a", "name": "A", "kind": "method", "preset": preset} for preset in (None, "x", "y")]
    change(folder, methods=methods)
    assert [method.key for method in read_run(folder).record.methods] == ["a", "a+x", "a+y"]
    change(folder, methods=[*methods, methods[1]])
    with pytest.raises(ValueError, match=r"methods lists 'a\+x' twice"):
        read_run(folder)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"schema": "other@1"}, r"schema is 'other@1', expected 'hoibench/run@4'"),
        ({"kind": "reported"}, r"kind is 'reported': .*'measured' or 'synthetic'"),
        ({"split": 3}, r"split is 3: .*string"),
        ({"clip_set_id": None}, r"clip_set_id is None"),
        ({"seeds": [0, "1"]}, r"seeds\[1\] is '1': .*integer"),
        ({"seeds": [True]}, r"seeds\[0\] is True: .*integer"),
        ({"clips": [{"id": "a"}, {"id": "a"}]}, r"clips lists 'a' twice"),
        ({"clips": ["a"]}, r"clips\[0\] is 'a'"),
        ({"methods": [{"id": "a", "name": "A", "kind": "winner"}]}, r"methods\[0\]\.kind is 'winner'"),
        ({"exit": {"status": "lost"}}, r"exit\.status is 'lost'"),
        ({"clip": []}, r"unknown key 'clip': did you mean 'clips'\?"),
    ],
)
def test_a_wrong_key_is_named_with_its_value(folder, keys, message):
    change(folder, **keys)
    with pytest.raises(ValueError, match=message):
        read_run(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"seeds": NaN}', "[" * 100_000])
def test_text_that_is_not_strict_json_is_refused(folder, text):
    (folder / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run\.json"):
        read_run(folder)


def test_a_missing_key_is_named(folder):
    table = json.loads((folder / "run.json").read_text())
    del table["split_id"]
    (folder / "run.json").write_text(json.dumps(table))
    with pytest.raises(ValueError, match=r"run\.json: the key 'split_id' is missing"):
        read_run(folder)


def test_a_folder_without_run_json_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.json does not exist; give a run folder"):
        read_run(tmp_path)
