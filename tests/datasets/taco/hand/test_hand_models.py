import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from mano_files import dumps, random_model, write_mano

from hoibench.datasets.taco.hand.hand_models import (
    MANO,
    ManoHand,
    ProxyHand,
    choose_hand_model,
    mano_folder,
    truth_kind,
)
from hoibench.datasets.taco.hand.hand_pose import HandPose
from hoibench.datasets.taco.hand.proxy_hand import FACES, HAND_MODEL, vertices

SIDES = ["left", "right"]


@pytest.fixture(autouse=True)
def no_folder(monkeypatch):
    monkeypatch.delenv("HOIBENCH_MANO", raising=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mano")
    for side in SIDES:
        write_mano(folder, side)
    return folder


def pose(side):
    return HandPose(side, np.zeros((2, 48)), np.ones((2, 3)), np.zeros(10))


def enclosed(points, faces):
    """Cubic metres inside the hand, its open wrist closed by a fan over the loop of its rim."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there = {tuple(edge) for edge in edges.tolist()}
    following = {b: a for a, b in there if (b, a) not in there}
    loop = [next(iter(following))]
    while following[loop[-1]] != loop[0]:
        loop.append(following[loop[-1]])
    fan = [(loop[0], a, b) for a, b in pairwise(loop[1:])]
    closed = trimesh.Trimesh(points, np.concatenate([faces, fan]), process=False)
    assert closed.is_watertight
    assert closed.is_winding_consistent
    return closed.volume


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", [MANO, HAND_MODEL])
def test_a_surface_has_778_vertices_and_faces_that_point_outwards(folder, name, side):
    model = choose_hand_model(name, folder if name == MANO else None)
    assert model.name == name
    points, faces = model.surface(pose(side))
    assert points.shape == (2, 778, 3)
    assert faces.shape == (1538, 3)
    assert 1e-4 < enclosed(points[0], faces) < 1e-3
    np.testing.assert_allclose(points[0], points[1])


def test_the_proxys_surface_is_the_proxy_hands():
    points, faces = choose_hand_model(HAND_MODEL).surface(pose("right"))
    np.testing.assert_array_equal(points, vertices("right", np.zeros((2, 48)), np.ones((2, 3)), np.zeros(10)))
    np.testing.assert_array_equal(faces, FACES["right"])


def test_each_side_uses_its_own_file(folder):
    points = {side: choose_hand_model(MANO, folder).surface(pose(side))[0][0] for side in SIDES}
    for side in SIDES:
        model = random_model(side)
        wrist = model["J_regressor"][0] @ model["v_template"]
        np.testing.assert_allclose(points[side], model["v_template"] - wrist + 1.0, atol=1e-12)


@pytest.mark.parametrize("model", [ProxyHand(), "mano"], ids=["proxy", "mano"])
@pytest.mark.parametrize("side", SIDES)
def test_unrecorded_rows_have_no_surface(folder, model, side):
    model = choose_hand_model(MANO, folder) if model == "mano" else model
    hand = pose(side)
    hand.theta[1] = hand.trans[1] = np.nan
    points, _ = model.surface(hand)
    assert np.isnan(points[1]).all()
    assert np.isfinite(points[0]).all()


def test_mano_can_be_sent_to_worker_processes(folder):
    sent = pickle.loads(pickle.dumps(choose_hand_model(MANO, folder)))
    here, there = (model.surface(pose("left"))[0] for model in (choose_hand_model(MANO, folder), sent))
    np.testing.assert_array_equal(here, there)


def test_the_proxy_replaces_mano_without_files(folder, monkeypatch):
    assert isinstance(choose_hand_model(MANO, folder), ManoHand)
    assert isinstance(choose_hand_model(MANO), ProxyHand)
    monkeypatch.setenv("HOIBENCH_MANO", str(folder))
    assert isinstance(choose_hand_model(MANO), ManoHand)
    # The variable is for real trees; it keeps nobody from generated clips.
    assert isinstance(choose_hand_model(HAND_MODEL), ProxyHand)
    monkeypatch.setenv("HOIBENCH_MANO", "~/mano")
    assert mano_folder() == Path.home() / "mano"
    monkeypatch.setenv("HOIBENCH_MANO", "")
    assert mano_folder() is None


def test_mano_is_an_error_for_proxy_hands(folder):
    with pytest.raises(ValueError, match=f"are of the model {HAND_MODEL}, not MANO: leave out the MANO folder"):
        choose_hand_model(HAND_MODEL, folder)


def test_an_unknown_model_is_named():
    with pytest.raises(ValueError, match="'nimble' is unknown"):
        choose_hand_model("nimble")


def test_a_folder_without_mano_files_is_named(tmp_path, monkeypatch):
    write_mano(tmp_path, "left")
    with pytest.raises(FileNotFoundError, match=r"has neither MANO_RIGHT\.npz"):
        choose_hand_model(MANO, tmp_path)
    (tmp_path / "MANO_RIGHT.pkl").write_bytes(dumps(random_model("left")))
    monkeypatch.setenv("HOIBENCH_MANO", str(tmp_path))
    with pytest.raises(ValueError, match=r"MANO_RIGHT\.pkl is MANO's left hand"):
        choose_hand_model(MANO)


def test_kinds_of_truth(folder):
    assert truth_kind(MANO, choose_hand_model(MANO, folder)) == "taco"
    assert truth_kind(MANO, ProxyHand()) == "proxy-hand"
    assert truth_kind(HAND_MODEL, ProxyHand()) == "synthetic"


ALONE = """
import sys
from pathlib import Path
for name in ("torch", "scipy", "chumpy", "trimesh", "pandas"):
    sys.modules[name] = None
from hoibench.datasets.taco.hand.hand_models import choose_hand_model
from hoibench.datasets.taco.hand.hand_pose import read_hand
model = choose_hand_model("mano", Path(sys.argv[1]))
print(*model.surface(read_hand(Path(sys.argv[2]), "left"))[0].shape)
"""


def test_hands_need_only_numpy(folder, tmp_path):
    frames = {f"{i + 1:05d}": {"hand_pose": torch.zeros(48), "hand_trans": torch.zeros(3)} for i in range(3)}
    (tmp_path / "left_hand.pkl").write_bytes(pickle.dumps(frames, protocol=4))
    done = subprocess.run([sys.executable, "-c", ALONE, folder, tmp_path], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("3 778 3\n", "")
