"""MotionCrafter, with a fake tree as upstream code: the plane z = 2, which moves along x by 1 cm a frame."""

import numpy as np
import pytest
from fake_upstream import complete, make_tree
from toy_runs import headline_rows, run_toy
from upstream_requests import load, make_request

ANCHORS = np.tile(np.array([[10.0, 8.0], [23.5, 15.5], [60.0, 3.0]], np.float32), (2, 1, 1))


@pytest.fixture
def tree(tmp_path):
    return make_tree("motioncrafter", tmp_path)


def test_how_run_py_is_called_and_what_is_made_of_its_files(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", "/models")
    prediction = load(tree, tmp_path / "exchange").generate(make_request())
    folder = tmp_path / "exchange" / "seed-1" / "clip_1"
    assert [call["argv"] for call in tree.calls()] == [
        f"run.py --video_path {folder}/view-{v}.mp4 --save_folder {folder}/upstream --cache_dir /models --unet_path TencentARC/MotionCrafter "
        "--vae_path TencentARC/MotionCrafter --height 64 --width 64 --num_inference_steps 5 --guidance_scale 1.0 --window_size 25 "
        "--decode_chunk_size 25 --model_type diff --low_memory_usage False --seed 1".split(" ")
        for v in range(2)
    ]
    assert {(call["cwd"], call["stdin"]) for call in tree.calls()} == {(str(tree.path), "/dev/null")}
    assert (prediction.points.shape, prediction.scale) == ((2, 6, 32, 48, 3), "per_view")
    assert prediction.tracks is None


@pytest.mark.usefixtures("toy")
def test_rows_of_its_presets_state_pairing_and_alignment(tree, tmp_path, monkeypatch):
    complete(tree, tmp_path / "hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    entrants = ("motioncrafter+tracks", "motioncrafter+points-scale_shift")
    settings = (tree.settings | {"accept_terms": "true"}).items()
    given = tuple(f"{entrant}.{key}={value}" for entrant in entrants for key, value in settings)
    run_toy(tmp_path / "r", limit=1, method=entrants, set=given, metrics="rpe")
    rows = headline_rows(tmp_path / "r").loc["motioncrafter"].set_index("preset")
    assert rows.loc[["tracks", "points-scale_shift"], ["status", "pairing", "alignment"]].to_numpy().tolist() == [
        ["ok", "query", "per_view"],
        ["ok", "oracle-projection", "scale_shift"],
    ]


def test_tracks_follow_the_flow_until_the_window_ends(tree, tmp_path):
    method = load(tree, tmp_path, "tracks", window_size=4)
    prediction = method.generate(make_request(anchors=ANCHORS))
    assert prediction.points is None
    expected = [[True] * 4 + [False] * 2] * 2 + [[False] * 6]  # the last is outside the picture
    np.testing.assert_array_equal(prediction.valid, [np.transpose(expected)] * 2)
    middle = np.stack([[0.01 * n, 0.0, 2.0] for n in range(4)])
    np.testing.assert_allclose(prediction.tracks[1, :4, 1], middle, atol=0.04)
    steps = np.diff(prediction.tracks[:, :4, :2], axis=1)
    np.testing.assert_allclose(steps, np.broadcast_to([0.01, 0.0, 0.0], steps.shape), atol=1e-4)


def test_a_model_without_flow_gives_no_tracks(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_MODE", "noflow")
    assert load(tree, tmp_path / "points").generate(make_request()).points is not None
    with pytest.raises(ValueError, match="view-0: the model has given no scene flow"):
        load(tree, tmp_path / "tracks", "tracks").generate(make_request(anchors=ANCHORS))


def test_moving_cameras_are_refused_before_anything_runs(tree, tmp_path):
    with pytest.raises(ValueError, match="camera a moves: motioncrafter gives points in the frame of the first camera"):
        load(tree, tmp_path).generate(make_request(moving=True))
    assert tree.calls() == []
