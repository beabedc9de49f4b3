import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.datasets.synthetic.texture import Material, albedo, blobs, random_material

PALETTE = np.array([[0.1, 0.0, 0.2], [0.5, 0.4, 0.6], [1.0, 0.9, 0.8]])


def test_blobs_fill_their_range_and_repeat_without_a_seam():
    noise = blobs()
    assert noise.dtype == np.float32
    assert -1.0 <= noise.min() < -0.95
    assert 0.95 < noise.max() <= 1.0
    assert abs(noise.mean()) < 0.05
    steps = np.abs(np.diff(noise, axis=0)).mean()
    seam = np.abs(noise[0] - noise[-1]).mean()
    assert abs(seam - steps) < 0.1 * steps


def test_a_blob_is_about_five_cells_wide():
    """A blob is a run of light or dark cells along an axis at the scale of the coarse octave."""
    signs = blobs() > 0.0
    runs = 64 * 64 * 64 / (signs != np.roll(signs, 1, axis=0)).sum()
    assert 2.5 < runs < 6.0


def test_colours_go_from_dark_over_ground_to_light_with_the_noise():
    index = np.argwhere(blobs() == blobs().min())[0], np.argwhere(blobs() == blobs().max())[0]
    zero = np.argwhere(np.abs(blobs()) < 1e-4)[0]
    cells = np.array([index[0], zero, index[1]], dtype=float)
    np.testing.assert_allclose(albedo(cells, np.tile(PALETTE, (3, 1, 1))), PALETTE, atol=0.05)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_cells_are_affine_so_they_may_be_interpolated_in_a_triangle(seed):
    rng = np.random.default_rng(seed)
    wood = random_material(PALETTE, np.array([0.01, 0.02, 0.01]), rng)
    corners, weights = rng.normal(size=(3, 3)), rng.dirichlet(np.ones(3))
    np.testing.assert_allclose(wood.cells((weights @ corners)[None])[0], weights @ wood.cells(corners), atol=1e-9)


def test_one_cell_of_metres_is_one_cell_of_noise_along_each_axis():
    wood = random_material(PALETTE, np.array([0.01, 0.02, 0.05]), np.random.default_rng(0))
    steps = wood.cells(np.diag([0.01, 0.02, 0.05])) - wood.cells(np.zeros((1, 3)))
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 1.0)


def test_a_material_depends_on_its_generator_alone():
    one, two = (random_material(PALETTE, 0.01, np.random.default_rng(5)) for _ in range(2))
    assert isinstance(one, Material)
    np.testing.assert_array_equal(one.lattice, two.lattice)
    np.testing.assert_array_equal(one.shift, two.shift)
