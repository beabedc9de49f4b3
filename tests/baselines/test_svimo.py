"""SViMo, which has no public code, by a small program and by stored predictions."""

import dataclasses
import json
import shutil
import sys

import numpy as np
import pytest
from fake_upstream import TREES
from requests_for_models import SIZE, N, small_request

from baselines.svimo.adapter import SViMo
from hoibench.clip import Prediction
from hoibench.methods.check import check_outputs, check_prediction
from hoibench.methods.entrants import SettingMissing, select_entrants
from hoibench.methods.method import Runtime
from hoibench.methods.registry import load_method
from hoibench.predictions import write_prediction

REQUEST = small_request(anchors=None)
PROGRAM = """
import json, os, sys, cv2, exchange_worker, fake_call
words = sys.argv[2:]
del sys.argv[2:]

def answer(request, folder):
    with open(__file__ + ".calls", "a") as calls:
        calls.write(json.dumps([words, os.getcwd(), request]) + chr(10))
    view, name = request["views"][0], request["id"] + "-made.mp4"
    image = cv2.imread(str(folder / view["image"]))[::2, ::2, ::-1]
    fake_call.write_video(folder / name, image[None].repeat(request["frames"], 0), request["fps"])
    return [{"view": view["id"], "video": name}]

exchange_worker.main(answer)
"""


@pytest.fixture
def program(tmp_path):
    folder = tmp_path / "my code"
    folder.mkdir()
    shutil.copyfile(TREES / "fake_call.py", folder / "fake_call.py")
    (folder / "make.py").write_text(PROGRAM)
    return folder / "make.py"


def entrant(command):
    (found,) = select_entrants(["svimo"], settings=[f"svimo.command={command}"])
    return found


def preflight(command):
    return [str(problem) for problem in SViMo.preflight(entrant(command), Runtime())]


def test_a_program_makes_a_video_for_each_view_and_no_shell_reads_its_arguments(program, tmp_path):
    method = load_method(
        entrant(f"{sys.executable} '{program}' {{folder}} --out={{folder}}/x 'a b' ; $(touch no)"),
        Runtime(folder=tmp_path / "exchange folder"),
    )
    prediction = method.generate(REQUEST)
    check_outputs(prediction, method.spec)
    check_prediction(prediction, REQUEST)
    error = np.abs(
        prediction.video[:, [0, -1]].astype(float) - np.stack([view.image for view in REQUEST.views])[:, None]
    )
    assert np.median(error) < 12, "the reference images at half the size, compressed, and back"
    folder = str(tmp_path / "exchange folder" / "seed-3" / "clip_0")
    calls = [json.loads(line) for line in program.with_name("make.py.calls").read_text().splitlines()]
    for (words, cwd, asked), view in zip(calls, REQUEST.views, strict=True):
        assert words == [f"--out={folder}/x", "a b", ";", "$(touch", "no)"]
        assert cwd == folder
        assert (asked["seed"], asked["frames"], asked["size"], asked["prompt"]) == (3, N, list(SIZE), "brush the plate")
        (seen,) = asked["views"]
        assert (seen["id"], seen["role"], seen["video"]) == (view.id, "reference", None)
        np.testing.assert_allclose(seen["K"], view.camera.K)


def test_a_program_that_is_missing_or_fails(program, tmp_path, monkeypatch):
    assert preflight("no_such_program {folder}") == [
        "--set svimo.command is 'no_such_program {folder}', expected a program on PATH or its absolute path"
    ]
    monkeypatch.chdir(program.parent)
    (program.parent / "make.sh").touch(0o755)
    assert len(preflight("./make.sh {folder}")) == 1, "it is started in another folder"
    assert "No closing quotation" in preflight("'make.sh {folder}")[0]
    assert preflight(f"{sys.executable} make.py {{folder}}") == []
    method = load_method(entrant(f"{sys.executable} -c 'raise SystemExit(7)'"), Runtime(folder=tmp_path))
    with pytest.raises(RuntimeError, match="exit code 7"):
        method.generate(REQUEST)
    views = (dataclasses.replace(REQUEST.views[0], image=None),)
    with pytest.raises(ValueError, match="view cam-left has no reference image"):
        method.generate(dataclasses.replace(REQUEST, views=views))


def test_stored_predictions_need_no_program(tmp_path):
    video = np.zeros((3, N, *SIZE, 3), np.uint8)
    write_prediction(tmp_path / "made" / "clip_0", Prediction(video=video), 8.0)
    (found,) = select_entrants([f"svimo={tmp_path / 'made'}"])
    assert (found.key, found.spec.title, found.spec.outputs) == ("svimo", "SViMo", ("video",))
    with pytest.raises(SettingMissing, match=r"svimo needs --set svimo\.command=TEXT: A program and its arguments"):
        select_entrants(["svimo"])
