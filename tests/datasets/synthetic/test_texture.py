import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.datasets.synthetic.texture import Material, albedo, grain_noise, mark_noise, random_material

PALETTE = np.array([[0.1, 0.0, 0.2], [0.5, 0.4, 0.6], [1.0, 0.9, 0.8]])


def test_noise_repeats_without_a_seam():
    for noise in (grain_noise(), mark_noise()):
        assert noise.dtype == np.float32
        steps = np.abs(np.diff(noise, axis=0)).mean()
        seam = np.abs(noise[0] - noise[-1]).mean()
        assert abs(seam - steps) < 0.1 * steps


def test_grain_is_between_0_and_1():
    assert grain_noise().min() == 0.0
    assert grain_noise().max() == 1.0
    assert abs(grain_noise().mean() - 0.5) < 0.02


def test_a_mark_is_about_six_cells_wide():
    signs = mark_noise() > 0.0
    runs = 64 * 64 * 64 / (signs != np.roll(signs, 1, axis=0)).sum()
    assert 5.0 < runs < 7.0


def test_the_threshold_sets_the_share_of_marks():
    assert abs((mark_noise() > 0.0).mean() - 0.5) < 0.02
    assert abs((mark_noise() > 1.0).mean() - 0.16) < 0.02


def test_colours_follow_grain_and_marks():
    dark, light = (np.argwhere(grain_noise() == level)[0] for level in (0.0, 1.0))
    bare, marked = (np.argwhere(mark_noise() == level)[0] for level in (mark_noise().min(), mark_noise().max()))
    cells = np.concatenate([np.stack([dark, light, dark]), np.stack([bare, bare, marked])], axis=1).astype(float)
    colours = albedo(cells, np.tile(PALETTE, (3, 1, 1)), np.full(3, 1.0))
    np.testing.assert_allclose(colours, PALETTE, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_cells_are_affine_so_they_may_be_interpolated_in_a_triangle(seed):
    rng = np.random.default_rng(seed)
    wood = random_material(PALETTE, 1.0, np.array([0.01, 0.02, 0.01]), 0.01, rng)
    corners, weights = rng.normal(size=(3, 3)), rng.dirichlet(np.ones(3))
    np.testing.assert_allclose(wood.cells((weights @ corners)[None])[0], weights @ wood.cells(corners), atol=1e-9)


def test_one_cell_of_metres_is_one_cell_of_mark_noise_along_each_axis():
    wood = random_material(PALETTE, 1.0, 0.01, np.array([0.01, 0.02, 0.05]), np.random.default_rng(0))
    steps = wood.cells(np.diag([0.01, 0.02, 0.05])) - wood.cells(np.zeros((1, 3)))
    np.testing.assert_allclose(np.linalg.norm(steps[:, 3:], axis=1), 1.0)


def test_the_grain_of_wood_runs_nearly_along_x():
    wood = random_material(PALETTE, 1.0, np.array([0.05, 0.006, 0.006]), 0.01, np.random.default_rng(0), tilt=0.1)
    steps = np.linalg.norm((wood.cells(np.eye(3)) - wood.cells(np.zeros((1, 3))))[:, :3], axis=1)
    assert steps[0] < 0.5 * steps[1:].min()


def test_a_material_depends_on_its_generator_alone():
    one, two = (random_material(PALETTE, 1.0, 0.01, 0.01, np.random.default_rng(5)) for _ in range(2))
    assert isinstance(one, Material)
    np.testing.assert_array_equal(one.lattice, two.lattice)
    np.testing.assert_array_equal(one.shift, two.shift)
