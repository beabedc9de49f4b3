import numpy as np
import pytest

from hoibench.datasets.synthetic.catalogue import catalogue, make_object
from hoibench.datasets.synthetic.collision import sample_surface
from hoibench.datasets.synthetic.grasp import axis_angle, close_hand
from hoibench.datasets.taco.hand import proxy_hand
from hoibench.datasets.taco.hand.skinning import rotations


def _grip(category, side):
    model = make_object(category, 0)
    return model.use if side == "right" else model.steady


ROLES = [(c, side) for c in catalogue().categories for side in ("right", "left") if _grip(c, side)]
BETAS = np.array([0.8, -0.5, 0.4, 0.0, 0.3, 0.2, -0.4, 0.0, 0.5, -0.2])


@pytest.mark.parametrize(("category", "side"), ROLES)
def test_hands_touch_but_do_not_enter_their_objects(category, side, mesh_distance, capped):
    model = make_object(category, 5)
    grip = model.use if side == "right" else model.steady
    grasp = close_hand(model.solid, grip, side, BETAS)
    theta = np.concatenate([axis_angle(grasp.rotation[None])[0], grasp.fingers])
    hand = proxy_hand.vertices(side, theta[None], grasp.wrist[None], BETAS)[0]
    skin = np.concatenate([hand, hand[proxy_hand.FACES[side][::3]].mean(axis=1)])
    gap = mesh_distance(skin, model.solid.vertices, model.solid.faces, near=0.004)
    assert -0.003 < gap.min() < 0.003
    inside_hand = mesh_distance(sample_surface(model.solid), hand, capped(side), near=0.0)
    assert inside_hand.min() > -0.003
    if grip.floor is not None:
        assert hand[:, 2].min() > grip.floor - 1e-9


def test_the_hand_closes_around_a_handle():
    model = make_object("hammer", 0)
    grasp = close_hand(model.solid, model.use, "right", np.zeros(10))
    theta = np.concatenate([axis_angle(grasp.rotation[None])[0], grasp.fingers])
    hand = proxy_hand.vertices("right", theta[None], grasp.wrist[None], np.zeros(10))[0]
    near = hand[model.solid.distance(hand) < 0.004]
    around = np.arctan2(near[:, 2] - model.use.point[2], near[:, 1])
    covered = np.unique(np.floor(around / (np.pi / 6.0)))
    assert len(covered) >= 7  # of twelve sectors round the shaft


def test_axis_angle_follows_a_full_turn_without_a_jump():
    angle = np.linspace(0.0, 4.0, 60)
    turns = np.column_stack([np.zeros(60), 0.6 * angle, 0.8 * angle])
    assert axis_angle(rotations(turns)) == pytest.approx(turns, abs=1e-9)
