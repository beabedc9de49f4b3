"""GeometryCrafter, with a fake tree as upstream code."""

import numpy as np
import pytest
from fake_upstream import make_tree
from upstream_requests import load, make_request


@pytest.fixture
def tree(tmp_path):
    return make_tree("geometrycrafter", tmp_path)


def test_how_run_py_is_called_and_what_is_made_of_its_files(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", "/models")
    method = load(tree, tmp_path / "exchange", low_memory="true")
    prediction = method.generate(make_request(frames=2, size=(480, 704)))
    folder = tmp_path / "exchange" / "seed-1" / "clip_1"
    assert [call["argv"] for call in tree.calls()] == [
        f"run.py --video_path {folder}/view-{v}.mp4 --save_folder {folder}/upstream --cache_dir /models --height 512 --width 704 --seed 1 "
        "--model_type diff --num_inference_steps 5 --guidance_scale 1.0 --window_size 110 --decode_chunk_size 8 --overlap 25 "
        "--force_projection True --force_fixed_focal True --low_memory_usage True".split(" ")
        for v in range(2)
    ]
    assert {(call["cwd"], call["stdin"]) for call in tree.calls()} == {(str(tree.path), "/dev/null")}
    assert (prediction.points.shape, prediction.points.dtype) == ((2, 2, 480, 704, 3), np.float16)
    assert prediction.scale == "per_view"
    assert np.isfinite(prediction.points[:, :, 0]).all(), "its mask, false in the first row, is not applied"
    # 0.4 is the tangent of half the field of view, between the centres of the outer pixels.
    focal = np.array([view["focal_px"] for view in prediction.provenance["views"]])
    np.testing.assert_allclose(focal, 703 / 0.8, rtol=1e-3)


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("half", "request view-0 failed: ScriptFailed: run.py has ended with exit code 1"),
        ("silent", "request view-0 failed: FileNotFoundError"),
        ("frames", "view-0.npz: points has 5 frames, expected 6"),
        ("nan", "view-0.npz: points has NaN or infinity at 48 of 9216 places"),
    ],
)
def test_wrong_files_end_with_a_reason(mode, message, tree, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_MODE", mode)
    with pytest.raises((RuntimeError, ValueError), match=message):
        load(tree, tmp_path / "exchange").generate(make_request())
