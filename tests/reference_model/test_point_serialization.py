"""Curves and windows, against bits shuffled one by one and windows cut by hand."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_model.config.models import GRID_BITS
from reference_model.dpa.point_serialization import (
    anchor_rank,
    build_windows,
    gather_windows,
    grid_coordinates,
    scatter_windows,
    z_order,
)

coordinates = st.integers(0, 2**GRID_BITS - 1)


def plain_z_order(x, y, z):
    code = 0
    for bit in range(GRID_BITS):
        for place, number in enumerate((z, y, x)):
            code |= (number >> bit & 1) << (3 * bit + place)
    return code


@given(coordinates, coordinates, coordinates)
def test_z_order_is_the_bits_in_turn(x, y, z):
    grid = torch.tensor([x, y, z])
    assert int(z_order(grid)) == plain_z_order(x, y, z)
    assert int(z_order(grid, "z-trans")) == plain_z_order(y, x, z)


def test_the_first_voxels_along_the_curve():
    """Golden: the eight corners of a cube, x slowest."""
    cube = torch.cartesian_prod(*[torch.arange(2)] * 3)
    assert z_order(cube).tolist() == list(range(8))
    assert z_order(torch.tensor([2, 0, 0])).item() == 32


def test_grid_coordinates_are_floored_and_clamped():
    points = torch.tensor([[-9.0, -1.0, -0.01], [0.0, 0.99, 9.0]])
    assert grid_coordinates(points, 0.5, 1.0).tolist() == [[0, 0, 1], [2, 3, 4]]


@given(st.integers(1, 4), st.integers(1, 30), st.integers(1, 12), st.randoms())
@settings(max_examples=60, deadline=None)
def test_windows_follow_the_curve_and_give_every_point_back(groups, count, size, random):
    code = torch.tensor([[random.randrange(50) for _ in range(count)] for _ in range(groups)])
    rank = torch.tensor([random.sample(range(count), count) for _ in range(groups)])
    at = build_windows(code, rank, None, size)
    x = torch.arange(groups * count).reshape(groups, count, 1)
    assert torch.equal(scatter_windows(gather_windows(x, at), at), x)
    for row, ties, taken in zip(code.tolist(), rank.tolist(), at.index, strict=True):
        ranked = sorted(range(count), key=lambda point: (row[point], ties[point]))
        wanted = []
        for start in range(0, count, at.size):
            start = min(start, count - at.size)
            wanted += ranked[start : start + at.size]
        assert taken.tolist() == wanted


def test_anchors_rank_by_u_then_v_then_as_listed():
    anchors = torch.tensor([[[0.5, 0.2], [0.1, 0.9], [0.5, 0.1], [0.1, 0.9]]])
    assert anchor_rank(anchors).tolist() == [[3, 0, 2, 1]]


def test_padding_comes_last():
    code = torch.tensor([[3, 1, 2, 0]])
    at = build_windows(code, code, torch.tensor([[True, False, True, True]]), 4)
    assert at.index.tolist() == [[3, 2, 0, 1]]


def test_the_last_window_overlaps_the_one_before_and_has_no_padding():
    code = torch.tensor([[5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5]])
    at = build_windows(code, code, torch.tensor([[True] * 3 + [False] * 3, [True] * 5 + [False]]), 2)
    assert at.index.reshape(2, 3, 2)[0, :2].tolist() == [[2, 1], [1, 0]]
    assert at.index.reshape(2, 3, 2)[1].tolist() == [[0, 1], [2, 3], [3, 4]]
    assert at.index.gather(1, at.position)[:, :3].tolist() == [[0, 1, 2], [0, 1, 2]]
