import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.datasets.synthetic.solids import lathe, polygon_distance, prism, rounded_rectangle, transform, tube, union

BOWL = lathe(np.array([(0, 0), (0.04, 0), (0.07, 0.05), (0.066, 0.05), (0.038, 0.004), (0, 0.004)]), 48)
BLOCK = prism(rounded_rectangle(0.10, 0.04, 0.01), 0.0, 0.02)
ROD = tube(np.array([(0, 0, 0), (0.10, 0, 0)]), np.array([(0.010, 0.006), (0.012, 0.006)]), segments=48)
TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("solid", "tolerance"), [(BOWL, 2e-4), (BLOCK, 1e-12), (ROD, 8e-4)], ids=["lathe", "prism", "tube"]
)
def test_distance_agrees_with_the_mesh_near_the_surface(solid, tolerance, mesh_distance):
    rng = np.random.default_rng(0)
    points = rng.uniform(solid.vertices.min(0) - 0.01, solid.vertices.max(0) + 0.01, (800, 3))
    truth = mesh_distance(points, solid.vertices, solid.faces)
    near = np.abs(truth) < 0.0012
    assert near.sum() > 30
    assert np.abs(solid.distance(points) - truth)[near].max() < tolerance


@pytest.mark.parametrize("solid", [BOWL, BLOCK, ROD], ids=["lathe", "prism", "tube"])
def test_the_far_distance_is_a_lower_bound(solid, mesh_distance):
    points = np.random.default_rng(1).uniform(-0.3, 0.3, (200, 3))
    truth = mesh_distance(points, solid.vertices, solid.faces)
    assert (solid.distance(points)[truth > 0] <= truth[truth > 0] + 6e-4).all()


def test_known_values_of_a_square():
    square = np.array([(0, 0), (2, 0), (2, 2), (0, 2)], dtype=float)
    points = np.array([(1, 1), (1, 0.25), (3, 1), (3, 3), (-1, 1)], dtype=float)
    assert polygon_distance(points, square, edges=4) == pytest.approx([-1, -0.25, 1, np.sqrt(2), 1])
    # Without the closing edge, the axis x = 0 is no surface.
    assert polygon_distance(points[:1], square, edges=3) == pytest.approx([-1])
    assert polygon_distance(np.array([(0.1, 1.0)]), square, edges=3) == pytest.approx([-1.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-0.2, 0.2), min_size=6, max_size=6))
def test_polygon_distance_is_one_lipschitz(numbers):
    p, q = np.array(numbers).reshape(2, 3)[:, None, :2]
    outline = rounded_rectangle(0.2, 0.1, 0.03)
    change = polygon_distance(p, outline, len(outline)) - polygon_distance(q, outline, len(outline))
    assert abs(change[0]) <= np.linalg.norm(p - q) + 1e-12


def test_transform_and_union_agree_with_their_parts():
    shifted = transform(BLOCK, TURN, (0.3, 0.0, 0.1))
    points = np.random.default_rng(2).uniform(-0.06, 0.06, (50, 3))
    assert shifted.distance(points @ TURN.T + [0.3, 0.0, 0.1]) == pytest.approx(BLOCK.distance(points))
    both = union(BLOCK, ROD)
    assert both.distance(points) == pytest.approx(np.minimum(BLOCK.distance(points), ROD.distance(points)))
    assert len(both.faces) == len(BLOCK.faces) + len(ROD.faces)
    assert both.faces.max() == len(both.vertices) - 1
