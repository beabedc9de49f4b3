"""Geo4D, with a fake tree as upstream code."""

from pathlib import Path

import av
import numpy as np
import pytest
from fake_upstream import make_tree
from upstream_requests import load, make_request

from baselines import geo4d
from baselines.geo4d.adapter import Geo4D
from hoibench.methods import worker_side
from hoibench.plugins import load_object


@pytest.fixture
def tree(tmp_path):
    return make_tree("geo4d", tmp_path)


@pytest.fixture
def read_poses(monkeypatch):
    monkeypatch.syspath_prepend(Path(worker_side.__file__).parent)
    return load_object(f"{Path(geo4d.__file__).parent}/worker.py:read_poses")


def test_how_its_script_is_called_and_what_is_made_of_its_folder(tree, tmp_path):
    method = load(tree, tmp_path / "exchange", keep_files="true")
    prediction = method.generate(make_request(frames=6, size=(120, 176)))
    folder = tmp_path / "exchange" / "seed-1" / "clip_1"
    assert [call["argv"] for call in tree.calls()] == [
        f"scripts/evaluation/test_geo4d.py --video_path {folder}/view-{v}.mp4 --frame_sampling_stride 1 --seed 1 "
        f"--ckpt_path checkpoints/geo4d/model.ckpt --config configs/inference_geo4d.yaml --savedir {folder}/upstream --n_samples 1 --bs 1 "
        "--height 384 --width 512 --unconditional_guidance_scale 1.0 --ddim_steps 5 --ddim_eta 0.0 --video_length 16 --frame_stride 24 "
        "--timestep_spacing uniform_trailing --guidance_rescale 0.7 --text_input --perframe_ae".split(" ")
        for v in range(2)
    ]
    assert {(call["cwd"], call["stdin"]) for call in tree.calls()} == {(str(tree.path), "/dev/null")}
    with av.open(str(folder / "view-0.mp4")) as container:
        video = container.streams.video[0]
        # The rate is an input of the model; fewer than 16 frames would fail.
        assert (video.average_rate, video.frames, video.height, video.width) == (8, 16, 384, 512)

    assert prediction.points.shape == (2, 6, 120, 176, 3)
    np.testing.assert_array_equal(prediction.points[:, 5, ..., 2], 3.25)
    # The principal point of the padded picture is pixel (256, 192) of 512 x 384, half a pixel right of and below its centre.
    x, y = prediction.points[0, 0, 60, 88, :2]
    np.testing.assert_allclose([x, y], 2.0 * np.array([257 - 256, 193 - 192]) / 400, rtol=1e-3)
    assert prediction.provenance["views"][0] == {
        "focal_px": 400.0, "camera_turns_deg": 90.0, "camera_moves_by_median_depth": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("size", "native", "box"),
    [
        ((480, 704), (384, 512), (-24, 0, 528, 704)),
        ((128, 192), (384, 512), (-8, 0, 144, 192)),
        ((320, 512), (320, 512), (0, 0, 320, 512)),
        ((200, 450), (256, 576), (0, 0, 200, 450)),
        ((512, 256), (384, 512), (0, -213, 512, 683)),
    ],
)
def test_the_native_size_shows_the_picture_largest_and_is_padded(size, native, box):
    frame_map = Geo4D.map_frames(None, size)
    assert (frame_map.native, frame_map.box) == (native, box)


def test_a_checkpoint_with_other_keys_fails_at_once_instead_of_waiting_in_a_debugger(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_MODE", "keys")
    with pytest.raises(RuntimeError, match="test_geo4d.py has ended with exit code 1"):
        load(tree, tmp_path / "exchange").generate(make_request())
    assert len(tree.calls()) == 2


def test_quaternions_have_w_first(read_poses, tmp_path):
    file = tmp_path / "pred_traj.txt"
    half = np.sqrt(0.5)
    file.write_text(f"0.0 1 2 3 {half} 0 0 {half}\n")
    turn = [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]  # 90 degrees about z
    np.testing.assert_allclose(read_poses(file), [turn], atol=1e-12)
    file.write_text("0.0 1 2 3 0.5 0 0 0\n")
    with pytest.raises(ValueError, match=r"pred_traj.txt: a quaternion has length 0.5000, expected 1"):
        read_poses(file)
