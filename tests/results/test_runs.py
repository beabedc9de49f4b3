"""run.json: what is read, and how a broken one is named."""

import json

import pytest

from hoibench.results.runs import read_run


@pytest.fixture
def folder(fake, tmp_path):
    return fake.write_run(tmp_path / "run", fake.REFERENCES[:1], clips=2, seeds=(0,))


def change(folder, **keys):
    table = json.loads((folder / "run.json").read_text()) | keys
    (folder / "run.json").write_text(json.dumps(table))


def test_a_run_is_read_back(folder):
    run = read_run(folder)
    assert (run.name, run.kind, run.status, run.seeds) == ("run", "synthetic", "done", (0,))
    assert run.clips[0].triplet == ("hammer", "hit", "toy") and run.methods[0].id == "ground_truth"
    assert set(run.headlines["method"]) == {"ground_truth"}


def test_clips_left_out_are_read_back(folder):
    assert read_run(folder).left_out == ()
    change(folder, left_out=["3: shorter than a clip"])
    assert read_run(folder).left_out == ("3: shorter than a clip",)


def test_how_the_truth_was_made_is_read_back(folder):
    assert (read_run(folder).truth_id, read_run(folder).notes) == ("", ())
    change(folder, truth_id="taco 512x376", notes=["crop=clip"])
    assert (read_run(folder).truth_id, read_run(folder).notes) == ("taco 512x376", ("crop=clip",))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"schema": "other@1"}, r"schema is 'other@1', expected 'hoibench/run@1'"),
        ({"kind": "reported"}, r"'kind' is 'reported', expected measured or synthetic"),
        ({"split": 3}, r"'split' is 3, expected str"),
        ({"clips_id": None}, r"'clips_id' is missing"),
        ({"seeds": [0, "1"]}, r"'seeds' holds '1', expected int"),
        ({"seeds": [True]}, r"'seeds' holds True, expected int"),
        ({"clips": [{"id": "a"}, {"id": "a"}]}, r"clips lists 'a' twice"),
        ({"clips": ["a"]}, r"clips\[0\] is str, expected an object"),
        ({"methods": [{"id": "a", "name": "A", "kind": "winner"}]}, r"methods\[0\]: 'kind' is 'winner'"),
        ({"exit": {"failures": []}}, r"exit: 'status' is missing"),
    ],
)
def test_a_wrong_key_is_named_with_its_value(folder, keys, message):
    change(folder, **keys)
    with pytest.raises(ValueError, match=message):
        read_run(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"seeds": NaN}', "[" * 100_000])
def test_what_is_not_strict_json_is_refused(folder, text):
    (folder / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run\.json"):
        read_run(folder)


def test_a_folder_without_run_json_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.json: no such file; give the folder of a run"):
        read_run(tmp_path)
