import numpy as np
import pytest
import torch

from reference_model.generation.anchor_selection import select_anchors

SIZE = (20, 30)
DARKEST = 0.1


def frame(*pixels, colour=(0.4, 0.6, 0.1)):
    out = torch.zeros(*SIZE, 3)
    for u, v in pixels:
        out[v, u] = torch.tensor(colour)
    return out


def test_only_foreground_is_selected_and_all_of_it_if_small():
    few = [(3, 4), (20, 15), (29, 19)]
    chosen = select_anchors(torch.stack([frame(*few), frame((7, 7)), frame()]), 5, DARKEST, 0)
    assert chosen.shape == (3, 5, 2)
    assert {tuple(each) for each in chosen[0, :3]} == set(few) and np.isnan(chosen[0, 3:]).all()
    assert tuple(chosen[1, 0]) == (7, 7)
    assert np.isnan(chosen[1, 1:]).all() and np.isnan(chosen[2]).all()


@pytest.mark.parametrize(
    ("colour", "is_foreground"),
    [
        ((0.1, 0.1, 0.1), True),
        ((0.06, 0.06, 0.06), True),
        ((0.04, 0.04, 0.04), False),
        ((0.02, 0.0, 0.1), False),
        ((0.1, 0.0, 0.11), True),
    ],
)
def test_foreground_is_nearer_to_a_points_colour_than_to_black(colour, is_foreground):
    chosen = select_anchors(torch.stack([frame((5, 5), colour=colour), frame((1, 1))]), 2, DARKEST, 0)
    assert np.isfinite(chosen[0, 0]).all() == is_foreground


def test_points_are_spread():
    """K farthest points of a full frame are farther apart than half the side of a square of 1/K of its area."""
    full = torch.ones(1, *SIZE, 3)
    count = 24
    chosen = select_anchors(full, count, DARKEST, 1)[0]
    distances = np.linalg.norm(chosen[:, None] - chosen[None], axis=-1)[~np.eye(count, dtype=bool)]
    assert len({tuple(each) for each in chosen}) == count
    assert distances.min() > 0.5 * np.sqrt(SIZE[0] * SIZE[1] / count)
    assert np.ptp(chosen[:, 0]) == SIZE[1] - 1 and np.ptp(chosen[:, 1]) == SIZE[0] - 1


def test_the_seed_decides():
    full = torch.ones(2, *SIZE, 3)
    first, again = (select_anchors(full, 6, DARKEST, 7) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert any((select_anchors(full, 6, DARKEST, seed) != first).any() for seed in range(4))


def test_nothing_to_choose_from():
    with pytest.raises(ValueError, match="has no point in frame 0 of any view: train longer, or give anchors"):
        select_anchors(torch.zeros(3, *SIZE, 3), 6, DARKEST, 0)
