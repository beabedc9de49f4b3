import numpy as np
import pytest

from hoibench.datasets.synthetic.catalogue import catalogue, make_prop
from hoibench.datasets.synthetic.clearance import samples
from hoibench.datasets.synthetic.grasp import axis_angle, grasp
from hoibench.datasets.synthetic.objects.prop import Grip
from hoibench.datasets.taco.hand import proxy_hand
from hoibench.datasets.taco.hand.skinning import rotations


def _grip(category, side):
    prop = make_prop(category, 0)
    return prop.use if side == "right" else prop.steady


ROLES = [(c, side) for c in catalogue().categories for side in ("right", "left") if _grip(c, side)]
BETAS = np.array([0.8, -0.5, 0.4, 0.0, 0.3, 0.2, -0.4, 0.0, 0.5, -0.2])


@pytest.mark.parametrize(("category", "side"), ROLES)
def test_hands_touch_what_they_hold_and_do_not_enter_it(category, side, mesh_distance, capped):
    prop = make_prop(category, 5)
    grip = prop.use if side == "right" else prop.steady
    held = grasp(prop.solid, grip, side, BETAS)
    theta = np.concatenate([axis_angle(held.rotation[None])[0], held.fingers])
    hand = proxy_hand.vertices(side, theta[None], held.wrist[None], BETAS)[0]
    skin = np.concatenate([hand, hand[proxy_hand.FACES[side][::3]].mean(axis=1)])
    gap = mesh_distance(skin, prop.solid.vertices, prop.solid.faces, near=0.004)
    assert -0.003 < gap.min() < 0.003
    inside_hand = mesh_distance(samples(prop.solid), hand, capped(side), near=0.0)
    assert inside_hand.min() > -0.003
    if grip.floor is not None:
        assert hand[:, 2].min() > grip.floor - 1e-9


def test_the_hand_closes_round_a_handle():
    prop = make_prop("hammer", 0)
    held = grasp(prop.solid, prop.use, "right", np.zeros(10))
    theta = np.concatenate([axis_angle(held.rotation[None])[0], held.fingers])
    hand = proxy_hand.vertices("right", theta[None], held.wrist[None], np.zeros(10))[0]
    near = hand[prop.solid.distance(hand) < 0.004]
    around = np.arctan2(near[:, 2] - prop.use.point[2], near[:, 1])
    covered = np.unique(np.floor(around / (np.pi / 6.0)))
    assert len(covered) >= 7  # of twelve sectors round the shaft


def test_grip_directions_must_be_at_right_angles():
    with pytest.raises(ValueError, match="right angles"):
        grasp(make_prop("hammer", 0).solid, Grip((0, 0, 0), (1, 0, 0), (1, 1, 0)), "right", np.zeros(10))


def test_axis_angle_follows_a_full_turn_without_a_jump():
    angle = np.linspace(0.0, 4.0, 60)
    turns = np.column_stack([np.zeros(60), 0.6 * angle, 0.8 * angle])
    assert axis_angle(rotations(turns)) == pytest.approx(turns, abs=1e-9)
