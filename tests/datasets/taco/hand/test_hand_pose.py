import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mano_files import Call, dumps

from hoibench.datasets.synthetic.hand_files import write_hand
from hoibench.datasets.taco.hand.hand_pose import read_hand

FRAMES = 12


def write(folder, side="left", clones=False, shape=(10,)):
    """Write hand files as torch does, as views of one storage like TACO's, or as clones."""
    poses, places = torch.randn(FRAMES, 48), torch.randn(FRAMES, 3)
    keep = torch.clone if clones else (lambda tensor: tensor)
    frames = {
        f"{i + 1:05d}": {"hand_pose": keep(poses[i]), "hand_trans": keep(places[i])} for i in reversed(range(FRAMES))
    }
    (folder / f"{side}_hand.pkl").write_bytes(pickle.dumps(frames, protocol=4))
    betas = torch.randn(*shape)
    (folder / f"{side}_hand_shape.pkl").write_bytes(pickle.dumps({"hand_shape": betas}, protocol=4))
    return poses.numpy(), places.numpy(), betas.numpy().reshape(10)


@pytest.mark.parametrize("clones", [False, True], ids=["views", "clones"])
@pytest.mark.parametrize("shape", [(10,), (1, 10)])
def test_hands_are_read_in_the_order_of_their_keys(tmp_path, clones, shape):
    poses, places, betas = write(tmp_path, clones=clones, shape=shape)
    hand = read_hand(tmp_path, "left")
    np.testing.assert_array_equal(hand.theta, poses)
    np.testing.assert_array_equal(hand.trans, places)
    np.testing.assert_array_equal(hand.betas, betas)


def test_a_missing_shape_is_the_mean_shape(tmp_path):
    write(tmp_path)
    (tmp_path / "left_hand_shape.pkl").unlink()
    np.testing.assert_array_equal(read_hand(tmp_path, "left").betas, np.zeros(10))


def test_a_missing_hand_names_its_zip(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"right_hand\.pkl is missing: download Hand_Poses\.zip"):
        read_hand(tmp_path, "right")


def dump(path, value):
    path.write_bytes(pickle.dumps(value, protocol=4))
    return path


def frame(pose=0.0, place=0.0):
    return {"hand_pose": torch.full((48,), pose), "hand_trans": torch.full((3,), place)}


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(1, 300), st.floats(-7.0, 7.0, width=32), min_size=1, max_size=20))
def test_row_i_is_frame_i_plus_1_and_missing_frames_are_nan(tmp_path_factory, recorded):
    folder = tmp_path_factory.mktemp("hand")
    dump(folder / "left_hand.pkl", {f"{number:05d}": frame(value, -value) for number, value in recorded.items()})
    hand = read_hand(folder, "left")
    assert hand.theta.shape == (max(recorded), 48)
    for row in range(max(recorded)):
        value = recorded.get(row + 1, np.nan)
        np.testing.assert_array_equal(hand.theta[row], value)
        np.testing.assert_array_equal(hand.trans[row], -value)


@pytest.mark.parametrize(
    "broken", [frame(np.nan), frame(0.0, np.inf), {**frame(), "hand_trans": torch.tensor([1, np.nan, 1])}]
)
def test_a_row_with_a_non_finite_number_is_unrecorded(tmp_path, broken):
    dump(tmp_path / "left_hand.pkl", {"00001": frame(1.0), "00002": broken, "00003": frame(3.0)})
    hand = read_hand(tmp_path, "left")
    for values in (hand.theta, hand.trans):
        assert np.isnan(values[1]).all()
        assert np.isfinite(values[[0, 2]]).all()


def test_tensors_of_a_gpu_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    dump(tmp_path / "left_hand.pkl", {"00001": frame(2.0)})
    monkeypatch.undo()
    assert (tmp_path / "left_hand.pkl").read_bytes().count(b"cuda:0") == 2
    np.testing.assert_array_equal(read_hand(tmp_path, "left").theta, np.full((1, 48), 2.0))


def test_tensors_with_gradients_are_read(tmp_path):
    """Tensors with gradients, which the official reader detaches, and non-contiguous tensors."""
    poses, askew = torch.randn(2, 48, requires_grad=True), torch.randn(48, 2).T
    dump(tmp_path / "left_hand.pkl", {"00001": {"hand_pose": askew[1], "hand_trans": torch.zeros(1, 3)}})
    np.testing.assert_array_equal(read_hand(tmp_path, "left").theta[0], askew[1].numpy())
    dump(tmp_path / "left_hand.pkl", {"00001": {"hand_pose": poses[1], "hand_trans": torch.zeros(3)}})
    np.testing.assert_array_equal(read_hand(tmp_path, "left").theta[0], poses[1].detach().numpy())


@pytest.mark.parametrize(
    "name",
    ["00000", "-0001", "1.0", "", "frame1", "\u0661", 0, 1.0, True, None, "100001", 10**12, "9" * 5000, b"00001"],
)
def test_a_frame_with_an_invalid_name_is_named(tmp_path, name):
    dump(tmp_path / "left_hand.pkl", {"00001": frame(), name: frame()})
    with pytest.raises(ValueError, match=r"left_hand\.pkl has a frame named .*expected '00001' to '100000'") as caught:
        read_hand(tmp_path, "left")
    assert len(str(caught.value)) < 500


def test_a_duplicate_frame_is_named(tmp_path):
    dump(tmp_path / "left_hand.pkl", {"00001": frame(), "1": frame()})
    with pytest.raises(ValueError, match=r"left_hand\.pkl has duplicate frame 1"):
        read_hand(tmp_path, "left")


def test_a_hand_without_recorded_frames_is_named(tmp_path):
    dump(tmp_path / "left_hand.pkl", {"00001": frame(np.nan), "00002": frame(np.nan)})
    with pytest.raises(ValueError, match=r"left_hand\.pkl: none of its 2 frames was recorded"):
        read_hand(tmp_path, "left")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "is not a dict of frames"),
        ([1], "is not a dict of frames"),
        (
            {"00001": {"hand_pose": torch.zeros(47), "hand_trans": torch.zeros(3)}},
            r"'00001': hand_pose has shape \(47,\)",
        ),
        ({"00001": {"hand_pose": torch.zeros(48)}}, "hand_trans has shape None"),
        ({"00001": 3}, "'00001': hand_pose"),
    ],
)
def test_a_broken_file_is_named(tmp_path, value, message):
    dump(tmp_path / "left_hand.pkl", value)
    with pytest.raises(ValueError, match=rf"left_hand\.pkl.*{message}.*unpack Hand_Poses\.zip again"):
        read_hand(tmp_path, "left")


@pytest.mark.parametrize(
    ("betas", "message"), [(torch.zeros(11), r"shape \(11,\)"), (torch.full((10,), torch.nan), "has NaN")]
)
def test_an_invalid_shape_is_named(tmp_path, betas, message):
    write(tmp_path)
    dump(tmp_path / "left_hand_shape.pkl", {"hand_shape": betas})
    with pytest.raises(ValueError, match=rf"left_hand_shape\.pkl: .*hand_shape .*{message}"):
        read_hand(tmp_path, "left")


def test_the_older_form_is_a_folder_of_frames(tmp_path):
    folder = tmp_path / "right_hand"
    folder.mkdir()
    for number in (3, 1, 4):
        dump(folder / f"hand_{number:05d}.pkl", frame(float(number), -float(number)))
    (folder / "Thumbs.db").touch()
    hand = read_hand(tmp_path, "right")
    np.testing.assert_array_equal(hand.theta[:, 0], [1.0, np.nan, 3.0, 4.0])
    np.testing.assert_array_equal(hand.trans[:, 2], [-1.0, np.nan, -3.0, -4.0])


@pytest.mark.parametrize(
    ("name", "message"),
    [("hand_one.pkl", "expected the form hand_00001.pkl"), ("hand_00000.pkl", "a frame named '00000'")],
)
def test_an_unexpected_file_of_the_older_form_is_named(tmp_path, name, message):
    (tmp_path / "right_hand").mkdir()
    dump(tmp_path / "right_hand" / name, frame())
    with pytest.raises(ValueError, match=f"right_hand.*{message}"):
        read_hand(tmp_path, "right")


def test_an_empty_folder_of_the_older_form_is_named(tmp_path):
    (tmp_path / "right_hand").mkdir()
    with pytest.raises(ValueError, match="right_hand has no frames"):
        read_hand(tmp_path, "right")


@pytest.mark.parametrize(
    "name",
    ["os.system", "posix.system", "builtins.eval", "__builtin__.eval", "numpy.load", "torch.load", "torch.hub.load",
     "torch._utils._rebuild_parameter", "torch.storage._load_from_bytes.__globals__", "subprocess.Popen"],
)  # fmt: skip
@pytest.mark.parametrize("file", ["left_hand.pkl", "left_hand_shape.pkl"])
def test_a_forbidden_name_is_an_error(tmp_path, name, file):
    write(tmp_path)
    (tmp_path / file).write_bytes(dumps({"00001": Call(name, str(tmp_path / "ran"))}))
    with pytest.raises(ValueError, match=rf"{file} .*names {name}, which is not allowed"):
        read_hand(tmp_path, "left")
    assert not (tmp_path / "ran").exists()


def test_a_file_truncated_anywhere_is_an_error(tmp_path):
    write(tmp_path)
    path = tmp_path / "left_hand.pkl"
    whole = path.read_bytes()
    for length in range(0, len(whole), len(whole) // 200):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"left_hand\.pkl"):
            read_hand(tmp_path, "left")


def test_poses_in_degrees_and_implausible_shapes_are_an_error(tmp_path):
    rng = np.random.default_rng(0)
    theta, trans = rng.normal(0.0, 0.5, (4, 48)), rng.normal(size=(4, 3))
    write_hand(tmp_path, "left", theta, trans, np.zeros(10))
    assert read_hand(tmp_path, "left").theta.shape == (4, 48)
    write_hand(tmp_path, "left", np.degrees(theta), trans, np.zeros(10))
    with pytest.raises(ValueError, match=r"left_hand\.pkl: frame 1 rotates a joint by .* not in radians"):
        read_hand(tmp_path, "left")
    write_hand(tmp_path, "right", theta, trans, np.full(10, 50.0))
    with pytest.raises(ValueError, match=r"right_hand_shape\.pkl: hand_shape has 50"):
        read_hand(tmp_path, "right")


@pytest.mark.parametrize(("turn", "read"), [(12.5, True), (12.6, False)])
def test_a_joint_rotates_by_at_most_two_turns(tmp_path, turn, read):
    """4 pi is 12.566."""
    poses = torch.zeros(48)
    poses[3:6] = torch.tensor([turn, 0.0, 0.0])
    dump(tmp_path / "left_hand.pkl", {"00001": {"hand_pose": poses, "hand_trans": torch.zeros(3)}})
    if read:
        assert read_hand(tmp_path, "left").theta[0, 3] == np.float32(turn)
    else:
        with pytest.raises(ValueError, match="frame 1 rotates a joint by 12.6: hand_pose is not in radians"):
            read_hand(tmp_path, "left")


@pytest.mark.parametrize(("beta", "read"), [(20.0, True), (-20.0, True), (20.5, False), (-20.5, False)])
def test_a_shape_differs_from_the_mean_by_at_most_twenty_deviations(tmp_path, beta, read):
    write(tmp_path)
    dump(tmp_path / "left_hand_shape.pkl", {"hand_shape": torch.full((10,), beta)})
    if read:
        assert read_hand(tmp_path, "left").betas[0] == beta
    else:
        with pytest.raises(ValueError, match="hand_shape has 20.5, expected at most 20"):
            read_hand(tmp_path, "left")
