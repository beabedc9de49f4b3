import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plain_truth import plain_extent

from hoibench.clip import Camera
from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.crop import Extent, crop_box, crop_camera
from hoibench.datasets.taco.protocol import SIZE
from hoibench.geometry import project, to_camera

ASPECT = 22 / 15
RULES = st.sampled_from(["clip", "frame0"])
SEEDS = st.integers(0, 2**32 - 1)


def pinhole(size, focal=1.2, R=None, t=None):
    """A camera of ``size`` (H, W) whose focal length is ``focal`` image widths."""
    height, width = size
    K = np.array([[focal * width, 0, (width - 1) / 2], [0, focal * width, (height - 1) / 2], [0, 0, 1.0]])
    return Camera(K, np.eye(3) if R is None else R, np.zeros(3) if t is None else t, size)


def cloud(rng, count=40):
    """Points 1 to 3 m ahead, some outside the image."""
    return rng.uniform([-0.6, -0.5, 1.0], [0.6, 0.5, 3.0], size=(count, 3)) * rng.uniform(0.2, 1.0) + [0, 0, 0.5]


def extent_of(low, high, seen=True):
    return Extent(np.array(low, dtype=float), np.array(high, dtype=float), seen)


@pytest.mark.parametrize(
    ("rule", "box"),
    [
        # 200 x 100 pixels about (600, 400): 260 wide, and 130 high grows to 260 * 15 / 22 = 177.3.
        ("clip", (312, 470, 178, 260)),
        # 320 wide, 218.2 high.
        ("frame0", (292, 440, 218, 320)),
    ],
)
def test_a_box_computed_by_hand(rule, box):
    found = crop_box([extent_of([500, 350], [700, 450])], rule, (1000, 1200), "c")
    assert found == box


def test_a_tall_box_grows_sideways():
    top, left, height, width = crop_box([extent_of([590, 100], [610, 600])], "clip", (1000, 1200), "c")
    assert (height, width) == (650, 954)  # 1.3 * 500; 650 * 22 / 15 = 953.3
    assert (top, left) == (24, 124)  # (350 - 325) and (600 - 477), to even numbers


def test_frames_are_joined():
    one, two = extent_of([100, 100], [200, 200], seen=False), extent_of([300, 150], [400, 180])
    assert crop_box([one, two], "clip", (1000, 1200), "c") == crop_box(
        [extent_of([100, 100], [400, 200])], "clip", (1000, 1200), "c"
    )


@settings(max_examples=200, deadline=None)
@given(SEEDS, RULES, st.integers(30, 3000), st.integers(30, 4096))
def test_every_box_is_inside_the_image_and_has_the_aspect_ratio(seed, rule, height, width):
    rng = np.random.default_rng(seed)
    extents = [Extent.from_vertices(cloud(rng), pinhole((height, width))) for _ in range(3)]
    assume(any(extent.is_visible for extent in extents))
    box = crop_box(extents, rule, (height, width), "c")
    top, left, h, w = box
    assert all(isinstance(n, int) and n % 2 == 0 for n in box)
    assert min(top, left) >= 0
    assert top + h <= height
    assert left + w <= width
    assert abs(h - w / ASPECT) <= 1.0 + 1e-9


@settings(max_examples=100, deadline=None)
@given(SEEDS, RULES)
def test_a_box_contains_the_truth_where_the_image_allows(seed, rule):
    rng = np.random.default_rng(seed)
    camera = pinhole((3000, 4096))
    points = cloud(rng)
    extent = Extent.from_vertices(points, camera)
    assume(extent.is_visible and (extent.high - extent.low).min() > 30)
    top, left, height, width = crop_box([extent], rule, camera.size, "c")
    pixels = project(to_camera(points, camera.R, camera.t), camera.K)
    inside = ((pixels >= -0.5) & (pixels <= [4095.5, 2999.5])).all(axis=1)
    if width < 4096 and height < 2790:  # else the image is too small for the aspect
        assert (pixels[inside] >= [left - 0.5, top - 0.5]).all()
        assert (pixels[inside] <= [left + width - 0.5, top + height - 0.5]).all()


@settings(max_examples=200, deadline=None)
@given(SEEDS, RULES)
def test_a_box_does_not_depend_on_the_world_frame(seed, rule):
    """The world is turned any way and moved by metres, the cameras with it, over frames in which the truth moves.

    Extents agree to the arithmetic's precision.  Boxes are equal; a side that lies as near as that precision to where rounding changes, which no
    example here does, could come out as the neighbouring pixel, and as the neighbouring even number then.
    """
    rng = np.random.default_rng(seed)
    camera = pinhole((3000, 4096), R=rotation(rng), t=rng.uniform(-2, 2, size=3))
    frames = [(cloud(rng) + step - camera.t) @ camera.R for step in rng.uniform(-0.2, 0.2, size=(3, 3))]
    turn, shift = rotation(rng), rng.uniform(-5, 5, size=3)
    moved = pinhole((3000, 4096), R=camera.R @ turn.T, t=camera.t - camera.R @ turn.T @ shift)
    here = [Extent.from_vertices(points, camera) for points in frames]
    there = [Extent.from_vertices(points @ turn.T + shift, moved) for points in frames]
    assume(any(extent.is_visible for extent in here))
    for one, two in zip(here, there, strict=True):
        np.testing.assert_allclose([one.low, one.high], [two.low, two.high], atol=1e-6)
    assert crop_box(here, rule, camera.size, "c") == crop_box(there, rule, camera.size, "c")


def rotation(rng):
    """Any rotation (3, 3)."""
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return turn * np.linalg.det(turn)


def test_an_image_too_small_for_the_aspect_gives_the_largest_box_in_it():
    whole = extent_of([0, 0], [4096, 3000])
    assert crop_box([whole], "clip", (3000, 4096), "c") == (104, 0, 2792, 4096)
    wide = extent_of([0, 0], [640, 200])
    top, left, height, width = crop_box([wide], "clip", (200, 640), "c")
    assert (top, height, width) == (0, 200, 294)  # the even number nearest to 294 * 15 / 22 is 200, that of 296 is 202
    assert left == 172  # (320 - 147) to an even number


def test_a_box_at_the_edge_is_shifted_into_the_image():
    top, left, _, _ = crop_box([extent_of([0, 0], [100, 60])], "clip", (1000, 1200), "c")
    assert (top, left) == (0, 0)
    top, left, height, width = crop_box([extent_of([1150, 960], [1200, 1000])], "frame0", (1000, 1200), "c")
    assert (top + height, left + width) == (1000, 1200)


def test_points_behind_the_camera_or_not_recorded_do_not_count():
    camera = pinhole((100, 146))
    ahead = np.array([[0.0, 0.0, 2.0], [0.1, 0.1, 2.0]])
    strange = np.array([[0.5, 0.5, -2.0], [np.nan] * 3, [0.1, 0.0, 0.0]])
    one, two = Extent.from_vertices(ahead, camera), Extent.from_vertices(np.concatenate([ahead, strange]), camera)
    np.testing.assert_array_equal([one.low, one.high], [two.low, two.high])


def test_a_vertex_outside_of_the_image_counts_up_to_its_edge():
    camera = pinhole((100, 146), focal=1.0)
    extent = Extent.from_vertices(np.array([[0.0, 0.0, 1.0], [9.0, 0.0, 1.0]]), camera)
    np.testing.assert_allclose([extent.low, extent.high], [[73.0, 50.0], [146.0, 50.0]])


@pytest.mark.parametrize("points", [[[0, 0, -1.0]], [[9.0, 0, 1.0]], [[np.nan] * 3], np.zeros((0, 3))])
def test_a_camera_that_sees_no_part_is_named(points):
    extent = Extent.from_vertices(np.array(points, dtype=float).reshape(-1, 3), pinhole((100, 146)))
    with pytest.raises(ValueError, match="camera 22139908 sees no hand or object"):
        crop_box([extent], "clip", (100, 146), "22139908")


def test_an_image_smaller_than_any_box_is_an_error():
    with pytest.raises(ValueError, match="an image of 10x20 pixels is too small"):
        crop_box([extent_of([5, 5], [15, 8])], "clip", (10, 20), "c")


@settings(max_examples=50, deadline=None)
@given(SEEDS)
def test_the_cropped_camera_agrees_with_the_resized_box(seed):
    rng = np.random.default_rng(seed)
    camera, points = pinhole((3000, 4096)), cloud(rng)
    box = (2 * int(rng.integers(0, 500)), 2 * int(rng.integers(0, 500)), 1200, 1760)
    native = project(to_camera(points, camera.R, camera.t), camera.K)
    cropped = crop_camera(camera, box)
    assert cropped.size == SIZE
    share = (native + 0.5 - [box[1], box[0]]) / [box[3], box[2]]
    expected = share * [SIZE[1], SIZE[0]] - 0.5
    np.testing.assert_allclose(project(to_camera(points, cropped.R, cropped.t), cropped.K), expected, atol=1e-8)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.floats(-0.5, 3.0), st.sampled_from([0.01, 0.2, 2.0]))
def test_the_extent_of_a_surface_is_that_of_all_its_vertices(seed, depth, scale):
    """Surfaces in the image, beside it, around it, and partly behind the camera."""
    rng = np.random.default_rng(seed)
    rest = rng.normal(scale=scale, size=(200, 3))
    pose = np.eye(4)
    pose[:3, 3] = rng.normal([0.0, 0.0, depth], [0.5, 0.5, 0.1])
    surface = Surface(2, (rest + pose[:3, 3])[None], np.array([[0, 1, 2]]), rest, pose[None])
    camera = pinhole((94, 128))
    found, expected = Extent.from_surface(surface, 0, camera), plain_extent([surface], 0, camera)
    np.testing.assert_array_equal([found.low, found.high], [expected.low, expected.high])
    assert found.is_visible == expected.is_visible


def test_a_surface_around_the_image_with_a_vertex_inside_is_visible():
    ring = np.array([[-9.0, -9.0, 1], [9.0, -9.0, 1], [9.0, 9.0, 1.1], [-9.0, 9.0, 1], [0.0, 0.0, 1.01], [0, 0, 1.02]])
    surface = Surface(2, ring[None], np.array([[0, 1, 4]]), ring, np.eye(4)[None])
    assert 4 not in surface.hull or 5 not in surface.hull
    assert Extent.from_surface(surface, 0, pinhole((94, 128))).is_visible


def test_an_unrecorded_surface_has_the_extent_of_nothing():
    nothing = np.full((1, 6, 3), np.nan)
    surface = Surface(2, nothing, np.array([[0, 1, 2]]))
    assert not Extent.from_surface(surface, 0, pinhole((94, 128))).is_visible
