"""Methods whose code runs in an environment of its own, with a fake tree as upstream code; the method is tests/support/toy_upstream."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_upstream import make_tree
from upstream_requests import make_request

from hoibench.methods.command import CommandFailed
from hoibench.methods.method import Entrant, Runtime
from hoibench.methods.registry import adapter_spec, load_method
from hoibench.plugins import load_object
from hoibench.predictions import write_prediction

TOY = Path(__file__).parents[1] / "support" / "toy_upstream"
N, H, W = 5, 32, 48
ENTRANT = Entrant(adapter_spec(f"{TOY}/adapter.py:Toy"))


@pytest.fixture
def tree(tmp_path):
    return make_tree("toy", tmp_path)


@pytest.fixture
def make_method(tree, tmp_path):
    def make(**settings):
        runtime = Runtime(folder=tmp_path / "run" / "exchange" / "toy")
        return load_method(replace(ENTRANT, settings=tree.settings | settings), runtime)

    return make


def test_a_worker_is_called_once_a_clip_and_upstream_code_once_a_view(make_method, tree, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    prediction = make_method().generate(make_request(N, seed=3))
    assert (prediction.points.shape, prediction.scale) == ((2, N, H, W, 3), "per_view")
    np.testing.assert_array_equal(prediction.points[1, 4, 7, 11], [11, 7, 5])

    folder = tmp_path / "run" / "exchange" / "toy" / "seed-3" / "clip_1"
    for v, call in enumerate(tree.calls()):
        arguments = ["--video", f"{folder}/view-{v}-source.mp4", "--out", f"{folder}/view-{v}.npz", "--frames", "5"]
        assert call["argv"] == ["run.py", *arguments, "--size", "32", "48", "--seed", "3"]
        assert (call["cwd"], call["stdin"], call["devices"]) == (str(tree.path), "/dev/null", "")
        assert not {"PYTHONPATH", "OMP_NUM_THREADS"} & set(call["env"])
    assert len(tree.calls()) == 2
    assert not folder.exists(), "its files are deleted"
    facts = dict(prediction.provenance["worker"])
    assert set(facts.pop("seconds")) == {"view-0", "view-1"}
    versions = {"python": sys.version.split()[0], "packages": {"numpy": np.__version__}}
    code = {"commit": tree.commit, "dirty": False}
    assert facts == versions | {"gpu": None, "peak_gpu_mb": None, "upstream": code}
    write_prediction(tmp_path / "prediction", prediction, 8.0)


def test_results_of_a_failed_call_are_used_again_where_the_request_is_the_same(make_method, tree, monkeypatch):
    monkeypatch.setenv("FAKE_MODE", "view-1.npz=half")
    with pytest.raises(CommandFailed, match=r"request view-1 failed: ScriptFailed: run.py has ended with exit code 1"):
        make_method().generate(make_request(N))
    monkeypatch.delenv("FAKE_MODE")
    prediction = make_method(keep_files=True).generate(make_request(N))
    assert np.isfinite(prediction.points).all()
    assert called_views(tree) == ["0", "1", "1"]

    make_method(keep_files=True).generate(make_request(N))
    assert called_views(tree) == ["0", "1", "1"], "both are kept"
    make_method(keep_files=True).generate(make_request(N, noise=1))
    assert called_views(tree) == ["0", "1", "1", "0", "1"], "the pictures are others"
    method = make_method(keep_files=True)
    make_requests = method.make_requests
    method.make_requests = lambda *inputs: [
        each.model_copy(update={"options": {"steps": 3}}) for each in make_requests(*inputs)
    ]
    method.generate(make_request(N, noise=1))
    assert len(called_views(tree)) == 7, "the options are others"


def test_wrong_files_are_not_used_again(make_method, tree, monkeypatch):
    request = make_request(N)
    request = replace(request, source_videos=request.source_videos[:1])
    monkeypatch.setenv("FAKE_MODE", "nan")
    with pytest.raises(ValueError, match=r"view-0.npz: points has NaN"):
        make_method().generate(request)
    monkeypatch.delenv("FAKE_MODE")
    assert np.isfinite(make_method().generate(request).points).all()
    assert called_views(tree) == ["0", "0"]


@pytest.mark.parametrize("name", ["seed-1", "seed-1/clip_1"])
def test_a_link_in_place_of_the_exchange_folder_is_removed_and_not_followed(name, make_method, tmp_path):
    mine = tmp_path / "mine"
    (mine / "clip_1").mkdir(parents=True)
    files = [mine / "file", mine / "clip_1" / "file"]
    for file in files:
        file.touch()
    link = tmp_path / "run" / "exchange" / "toy" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(mine, target_is_directory=True)
    make_method().generate(make_request(N))
    assert all(file.exists() for file in files)


def called_views(tree):
    return [call["argv"][4][-5] for call in tree.calls()]


def test_a_worker_that_takes_too_long_is_ended(make_method, tree, monkeypatch):
    monkeypatch.setenv("FAKE_MODE", "hang")
    with pytest.raises(CommandFailed, match=r"has not ended within 2 s \(--set toy.timeout_s\)"):
        make_method(timeout_s=2.0).generate(make_request(N))


def test_a_command_of_the_user_can_be_the_worker(tree, tmp_path):
    """It has spaces in its paths, and no shell reads it."""

    class Commanded(load_object(ENTRANT.spec.entry)):
        worker = None

    script = tmp_path / "my worker.py"
    script.write_text((TOY / "worker.py").read_text().replace('"run.py"', f'"{tree.path}/run.py"'))
    command = f"'{sys.executable}' '{script}' {{folder}}"
    folder = tmp_path / "a run"
    method = Commanded(replace(ENTRANT, settings={"command": command}), Runtime(folder=folder))
    assert method.generate(make_request(N)).points.shape == (2, N, H, W, 3)
    assert tree.calls()[0]["cwd"] == str(folder / "seed-1" / "clip_1")


def test_a_worker_without_an_answer_is_a_failure(tmp_path):
    class Silent(load_object(ENTRANT.spec.entry)):
        worker = None

    method = Silent(replace(ENTRANT, settings={"command": "true {folder}"}), Runtime(folder=tmp_path))
    with pytest.raises(CommandFailed, match="has ended with 0 results of request view-0, expected one"):
        method.generate(make_request(N))


def test_the_docs_show_this_adapter_and_its_worker():
    page = (Path(__file__).parents[2] / "docs" / "baselines.md").read_text()
    for name in ("adapter.py", "worker.py"):
        assert f"```python\n{(TOY / name).read_text()}```" in page, name
