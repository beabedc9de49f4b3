import numpy as np
import pytest

from hoibench.datasets.taco.hand_models import choose_hand_model
from hoibench.datasets.taco.hands import HandPose
from hoibench.datasets.taco.proxy_hand import FACES, HAND_MODEL, vertices


def test_the_proxys_surface_is_the_proxy_hands():
    hand = HandPose("right", np.zeros((2, 48)), np.ones((2, 3)), np.zeros(10))
    points, faces = choose_hand_model(HAND_MODEL).surface(hand)
    np.testing.assert_array_equal(points, vertices("right", hand.theta, hand.trans, hand.betas))
    np.testing.assert_array_equal(faces, FACES["right"])


def test_an_unknown_model_is_named():
    with pytest.raises(ValueError, match="'nimble' is unknown"):
        choose_hand_model("nimble")
