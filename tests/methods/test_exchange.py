"""The files that hoibench and workers exchange."""

import ast
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from hoibench.clip import Camera, View
from hoibench.geometry import to_camera
from hoibench.methods import worker_side
from hoibench.methods.exchange import (
    ExchangeOutput,
    ExchangeRequest,
    RequestFile,
    ResponseFile,
    json_schema,
    read_frames,
    read_response,
    write_view,
)
from hoibench.video import encode

ROOT = Path(__file__).parents[2]
WORKERS = [*ROOT.glob("hoibench/methods/worker_side/*.py"), *ROOT.glob("baselines/*/worker.py")]


def test_the_published_schema_is_that_of_the_code():
    command = (
        "from hoibench.methods.exchange import json_schema; import json; print(json.dumps(json_schema(), indent=1))"
    )
    path = ROOT / "docs" / "exchange.schema.json"
    assert json.loads(path.read_text()) == json_schema(), f'python -c "{command}" > {path}'


def test_a_view_with_a_moving_camera_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    R = np.stack([np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(4)])
    R *= np.linalg.det(R)[:, None, None]
    t = rng.normal(size=(4, 3))
    K = np.array([[60.0, 0, 23.5], [0, 61, 15.5], [0, 0, 1]])
    frames = rng.integers(0, 256, (4, 32, 48, 3), np.uint8)
    view = write_view(
        tmp_path, "source-0", View("cam", None, Camera(K, R, t, (32, 48))), "source", 8.0, image=frames[0], video=frames
    )
    request = ExchangeRequest(id="view-0", seed=7, frames=4, fps=8.0, size=(32, 48), views=(view,))
    RequestFile(method="m", requests=(request,)).write(tmp_path / "request.json")

    (read,) = RequestFile.read(tmp_path / "request.json").requests
    assert read == request
    assert read.file_names == ("source-0.png", "source-0.mp4")
    np.testing.assert_array_equal(read.views[0].K, K)
    points = rng.normal(size=(5, 3))
    for n, T in enumerate(np.array(read.views[0].T_world_from_cam)):
        np.testing.assert_allclose(points, to_camera(points, R[n], t[n]) @ T[:3, :3].T + T[:3, 3], atol=1e-12)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "source-0.png"))[..., ::-1], frames[0])
    assert read_frames(tmp_path / "source-0.mp4", 4).shape == frames.shape
    with pytest.raises(ValueError, match=re.escape("source-0.mp4 has 4 frames, expected 5")):
        read_frames(tmp_path / "source-0.mp4", 5)


RESULT = {"id": "view-0", "status": "ok", "outputs": [{"view": "a", "video": "out.mp4"}]}


@pytest.mark.parametrize("name", ["../out.mp4", "a/out.mp4", "/out.mp4", ".out.mp4", "", "out.mp4\n", "a\\b"])
def test_a_worker_names_files_of_its_folder_only(name, tmp_path):
    result = RESULT | {"outputs": [{"view": "a", "video": name}]}
    (tmp_path / "response.json").write_text(json.dumps({"schema": ResponseFile.SCHEMA, "results": [result]}))
    with pytest.raises(ValueError, match=r"response.json: results\[0\].outputs\[0\].video is"):
        read_response(tmp_path)


def test_a_response_with_unknown_keys_or_links_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="the worker has not written this file"):
        read_response(tmp_path)
    other = tmp_path / "other"
    other.write_text(json.dumps({"schema": ResponseFile.SCHEMA, "results": [RESULT]}))
    (tmp_path / "response.json").symlink_to(other)
    with pytest.raises(ValueError, match="is a link"):
        read_response(tmp_path)
    (tmp_path / "response.json").unlink()
    other.rename(tmp_path / "response.json")
    assert read_response(tmp_path).results[0].outputs == (ExchangeOutput(view="a", video="out.mp4"),)
    (tmp_path / "response.json").write_text(json.dumps({"schema": ResponseFile.SCHEMA, "results": [], "gpus": []}))
    with pytest.raises(ValueError, match="unknown key 'gpus': did you mean 'gpu'"):
        read_response(tmp_path)
    encode(tmp_path / "real.mp4", np.zeros((2, 32, 48, 3), np.uint8), 8.0)
    (tmp_path / "out.mp4").symlink_to(tmp_path / "real.mp4")
    with pytest.raises(ValueError, match="is a link"):
        read_frames(tmp_path / "out.mp4", 2)


WORKER = """
import exchange_worker

def answer(request, folder):
    if request["id"] == "bad":
        raise KeyError("depth")
    exchange_worker.run_script("run.py", [folder / "out.txt", request["id"]], seed=request["seed"])
    return [{"view": "a", "box": [0, 0, 8, 8]}]

if __name__ == "__main__":
    exchange_worker.main(answer, packages=["pip", "no-such-package"])
"""
SCRIPT = """
import os, random, sys, numpy, torch
with open(sys.argv[1], "a") as out:
    print(sys.argv[2:], __name__, random.random(), numpy.seed, torch.seed, [sys.stdin.read()], file=out)
"""


def test_a_worker_answers_what_has_no_result_yet(tmp_path):
    """With Python 3.8, where there is one: the oldest that upstream code asks for."""
    env = os.environ | {"PYTHONPATH": str(Path(worker_side.__file__).parent), "PYENV_VERSION": "3.8"}
    has_old = shutil.which("python3.8") and not subprocess.run(["python3.8", "-c", ""], env=env, check=False).returncode
    python = "python3.8" if has_old else sys.executable
    upstream, folder = tmp_path / "up stream", tmp_path / "exchange folder"
    for path, text in {
        tmp_path / "worker.py": WORKER,
        upstream / "run.py": SCRIPT,
        upstream / "numpy.py": "class random:\n    def seed(value): globals().update(seed=value)",
        upstream / "torch.py": "def manual_seed(value): globals().update(seed=value)",
    }.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    folder.mkdir()
    seeds = {"kept": 1, "bad": 2, "good": 2**33 + 5}
    requests = tuple(ExchangeRequest(id=id, seed=s, frames=2, fps=8.0, size=(8, 8)) for id, s in seeds.items())
    RequestFile(method="m", requests=requests).write(folder / "request.json")
    (folder / "response.json").write_text(
        json.dumps({"schema": ResponseFile.SCHEMA, "results": [RESULT | {"id": "kept"}]})
    )
    command = [python, tmp_path / "worker.py", folder, upstream]
    done = subprocess.run(command, cwd=upstream, env=env, capture_output=True, text=True, check=True, input="typed")
    assert "KeyError: 'depth'" in done.stderr

    response = read_response(folder)
    kept, bad, good = response.results
    assert (kept.id, kept.outputs[0].video) == ("kept", "out.mp4")
    assert (bad.status, bad.reason, bad.outputs) == ("failed", "KeyError: 'depth'", ())
    assert (good.status, good.outputs) == ("ok", (ExchangeOutput(view="a", box=(0, 0, 8, 8)),))
    assert set(response.packages) == {"pip"}
    assert response.python.startswith("3.8." if has_old else f"3.{sys.version_info.minor}.")
    seeded = random.Random(2**33 + 5).random()
    assert (folder / "out.txt").read_text() == f"['good'] __main__ {seeded} 5 {2**33 + 5} ['']\n", (
        "standard input is closed"
    )


@pytest.mark.parametrize("path", WORKERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_workers_are_written_in_the_syntax_of_python_3_8(path):
    ast.parse(path.read_text(), feature_version=(3, 8))
