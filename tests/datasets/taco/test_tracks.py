import numpy as np
import pytest
from depth_and_part import render_depth_and_part
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.clip import Camera
from hoibench.datasets.numpy_ray_caster import NumpyCaster
from hoibench.datasets.surfaces import Surface, build_frame_mesh
from hoibench.datasets.taco.tracks import build_tracks, choose_points, sample_by_area, track_points
from hoibench.datasets.taco.visibility import compute_visibility
from hoibench.geometry import project, to_camera

PLATE = np.array([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])
CAMERA = Camera(np.array([[40.0, 0, 31.5], [0, 40.0, 31.5], [0, 0, 1.0]]), np.eye(3), np.zeros(3), (64, 64))


def plate(part, *places, scale=1.0):
    return Surface(part, np.stack([scale * PLATE + np.asarray(at) for at in places]), FACES)


@settings(max_examples=20, deadline=None)
@given(st.integers(60, 200))
def test_points_have_the_given_count_and_are_evenly_distributed(count):
    surfaces = [plate(2, [0, 0, 2]), plate(3, [0, 0, 5], scale=2.0)]
    points = choose_points(surfaces, count)
    world, part = track_points(points, surfaces)
    assert world.shape == (1, count, 3)
    # Four times the area takes about four times the points.
    assert 0.08 < (part == 2).mean() < 0.35
    gaps = np.linalg.norm(world[0, :, None] - world[0], axis=-1) + 9.0 * np.eye(count)
    even = np.sqrt(20.0 / count)
    assert np.median(gaps.min(axis=1)) > 0.4 * even


def test_candidates_are_uniform_by_area_over_surfaces_triangles_and_within_a_triangle():
    surfaces = [plate(2, [0, 0, 2]), plate(3, [0, 0, 5], scale=2.0)]
    points = sample_by_area(surfaces, 20_000, np.random.default_rng(0))
    assert (points.surface == 1).mean() == pytest.approx(0.8, abs=0.01)
    assert (points.face == 1).mean() == pytest.approx(0.5, abs=0.015)
    np.testing.assert_allclose(points.weights.sum(axis=1), 1.0, atol=1e-12)
    # The barycentric weights of uniform points have mean 1/3, variance 1/18 and covariance -1/36.
    np.testing.assert_allclose(points.weights.mean(axis=0), 1 / 3, atol=0.01)
    np.testing.assert_allclose(np.cov(points.weights.T), (np.eye(3) * 3 - 1) / 36, atol=0.003)


def test_parts_in_contact_keep_their_own_points():
    one, two = plate(0, [0, 0, 2]), plate(1, [0, 0, 2 + 1e-6])
    _, part = track_points(choose_points([one, two], 100), [one, two])
    assert abs((part == 0).sum() - 50) <= 15


def test_points_move_with_their_triangles(written):
    surfaces, scene = written.recording.surfaces, written.scene
    points = choose_points(surfaces, 128)
    world, part = track_points(points, surfaces)
    assert world.dtype == np.float32
    assert set(part.tolist()) == {0, 1, 2, 3}
    tool = world[:, part == 2].astype(float)
    poses = np.load(written.recording.sequence.find_object_pose("tool")[1]).astype(float)
    in_object = np.einsum("nji,nkj->nki", poses[:, :3, :3], tool - poses[:, None, :3, 3])
    np.testing.assert_allclose(in_object, np.broadcast_to(in_object[:1], in_object.shape), atol=1e-6)
    assert np.abs(tool - tool[:1]).max() > 0.01
    assert len(world) == scene.frames


def test_the_choice_of_points_does_not_depend_on_the_world_frame(written):
    surfaces = written.recording.surfaces
    moved = [Surface(s.part, s.vertices + np.array([3.0, -2.0, 1.0]), s.faces) for s in surfaces]
    here, there = (track_points(choose_points(s, 128), s)[0][0] for s in (surfaces, moved))
    same = np.linalg.norm(there - np.array([3.0, -2.0, 1.0]) - here, axis=-1) < 1e-5
    assert same.mean() > 0.9


@pytest.mark.parametrize(("gap", "edges"), [(0.03, True), (0.05, True), (0.01, False)])
def test_points_at_a_step_of_more_than_two_percent_are_at_a_depth_edge(gap, edges):
    """A small plate is 1, 3 or 5 cm before a large one that is 1 m away; a focal length of 40 px makes 2.5 cm there a pixel."""
    surfaces = [plate(2, [0, 0, 1 - gap], scale=0.25), plate(3, [0, 0, 1], scale=0.9)]
    near = 1 - gap
    points = np.array([[0.0, 0, near], [0.24, 0, near], [0.27, 0, 1], [0.4, 0, 1], [9.0, 0, 1]])
    visible, edge = compute_visibility(points[None], surfaces, [CAMERA])
    assert visible[0, 0].tolist() == [True, True, True, True, False]
    assert edge[0, 0].tolist() == [False, edges, edges, False, False]


def test_silhouettes_are_edges_and_the_border_of_the_image_is_none():
    surfaces = [plate(2, [0, 0, 1], scale=0.5)]  # from column 11.5 to 51.5
    columns = (11.6, 12.6, 30.0, 51.4)
    points = np.array([[(u - 31.5) / 40, 0.0, 1.0] for u in columns])
    assert compute_visibility(points[None], surfaces, [CAMERA])[1][0, 0].tolist() == [True, False, False, True]
    wide = [plate(2, [0, 0, 1], scale=2.0)]
    corner = np.array([[[-31.4 / 40, -31.4 / 40, 1.0]]])
    assert not compute_visibility(corner, wide, [CAMERA])[1].any()


def test_depth_edges_are_those_of_the_rendered_depth_image(written, clip):
    """The neighbours are compared in an image of the whole scene, rendered in another way."""
    world, N = clip.tracks.world.astype(float), clip.frames
    found = 0
    for n in range(0, N, max(1, N // 3)):
        mesh = build_frame_mesh(written.recording.surfaces, n)
        for v, camera in enumerate(clip.cameras):
            depth = np.pad(render_depth_and_part(mesh, camera)[0].astype(float), 1, constant_values=np.nan)
            pixels = np.rint(project(to_camera(world[n], camera.R, camera.t), camera.K)).astype(int)
            for k in np.flatnonzero(clip.tracks.visible[v, n]):
                x, y = pixels[k] + 1
                around = [depth[y - 1, x], depth[y + 1, x], depth[y, x - 1], depth[y, x + 1]]
                own, around = depth[y, x], [other for other in around if not np.isnan(other)]
                edge = np.isinf(own) or max(abs(other - own) for other in around) > 0.02 * own
                assert clip.tracks.depth_edge[v, n, k] == edge
                found += edge
    assert found > 10


def test_points_behind_a_plate_outside_the_image_or_behind_the_camera_are_hidden():
    surfaces = [plate(2, [0, 0, 2], scale=0.5), plate(3, [0, 0, 4])]
    points = np.array([[0.0, 0, 2], [0.4, 0.4, 2], [0, 0, 4], [0.95, 0, 4], [0.3, 0, 2], [0, 0, -2], [9.0, 0, 2]])
    seen = compute_visibility(points[None], surfaces, [CAMERA])[0][0, 0]
    assert seen.tolist() == [True, True, False, False, True, False, False]
    # From behind, the far plate hides the near one.
    behind = Camera(CAMERA.K, np.diag([-1.0, 1.0, -1.0]), np.array([0.0, 0.0, 6.0]), CAMERA.size)
    assert compute_visibility(points[None], surfaces, [behind])[0][0, 0, :4].tolist() == [False, False, True, True]


@pytest.mark.parametrize(("behind", "seen"), [(0.9e-4, True), (1.1e-4, False)])
def test_a_point_is_hidden_from_a_tenth_of_a_millimetre_behind_a_surface(behind, seen):
    points = np.array([[[0.1, 0.2, 2.0 + behind]]])
    near_axis = Camera(np.diag([1.0, 1.0, 1.0]), np.eye(3), np.zeros(3), (64, 64))  # rays are about the depth's axis
    points[..., :2] = 0.0
    assert compute_visibility(points, [plate(2, [0.3, 0.1, 2])], [near_axis])[0][0, 0, 0] == seen


@pytest.mark.parametrize(("x", "inside"), [(-31.9, True), (-32.1, False), (31.9, True), (32.1, False)])
def test_the_image_ends_half_a_pixel_beyond_its_outer_pixel_centres(x, inside):
    point = np.array([[[x / 40.0 * 2.0, 0.0, 2.0]]])
    assert compute_visibility(point, [plate(2, [0, 0, 2], scale=3.0)], [CAMERA])[0][0, 0, 0] == inside


def test_an_unrecorded_point_keeps_its_nearest_recorded_position():
    nothing = [np.nan] * 3
    moving = plate(2, [0, 0, 2], nothing, nothing, nothing, [1, 0, 2], nothing)
    steady = plate(3, *[[0, 0, 4]] * 6)
    points = choose_points([moving, steady], 40)
    world, part = track_points(points, [moving, steady])
    on_moving = part == 2
    assert on_moving.any()
    steps = world[:, on_moving, 0] - world[0, on_moving, 0]
    # Frame 2 is as far from 0 as from 4: the earlier one is taken.
    np.testing.assert_allclose(steps.mean(axis=1), [0, 0, 0, 1, 1, 1], atol=1e-6)
    tracks = build_tracks([moving, steady], [CAMERA], 40)
    np.testing.assert_array_equal(tracks.recorded[:, on_moving].all(axis=1), [True, False, False, False, True, False])
    assert tracks.recorded[:, ~on_moving].all()
    assert not (tracks.visible & ~tracks.recorded).any()


def test_nothing_recorded_in_frame_0_is_an_error():
    with pytest.raises(ValueError, match="no area in frame 0: nothing was recorded"):
        choose_points([plate(2, [np.nan] * 3, [0, 0, 1])], 10)


def test_surfaces_without_area_are_an_error():
    with pytest.raises(ValueError, match="no area"):
        choose_points([plate(2, [0, 0, 1], scale=0.0)], 10)


def test_visibility_agrees_with_the_z_buffer_on_every_clip_of_the_demo(demo):
    """A ray through each track, by the plain caster, in the first view of three frames."""
    agree = []
    for loaded in demo:
        clip, surfaces = loaded.clip, loaded.recording.surfaces
        for frame in (0, 12, 24):
            mesh = build_frame_mesh(surfaces, frame)
            camera, points = clip.cameras[0], clip.tracks.world[frame].astype(float)
            in_camera = to_camera(points, camera.R, camera.t)
            pixels = project(in_camera, camera.K)
            height, width = camera.size
            inside = ((pixels >= -0.5) & (pixels < [width - 0.5, height - 0.5])).all(axis=1)
            centre = -camera.R.T @ camera.t
            first = NumpyCaster(mesh.corners).cast(centre, (points - centre) / in_camera[:, 2:])
            near = first.depth >= in_camera[:, 2] - 1e-4
            agree.append((clip.tracks.visible[0, frame] == (inside & near)).mean())
            # At a visible track, the pixel's depth is the track's.
            seen = clip.tracks.visible[0, frame]
            gap = np.abs(first.depth - in_camera[:, 2])[seen]
            assert (gap < 1e-4).mean() >= 0.99
    assert np.mean(agree) >= 0.99


def test_tracks_of_a_written_clip(written, clip):
    assert clip.tracks.visible.shape == (3, 5, 128)
    assert 0.2 < clip.tracks.visible.mean() < 0.8
    again = build_tracks(written.recording.surfaces, clip.cameras, 128)
    np.testing.assert_array_equal(again.world, clip.tracks.world)
    np.testing.assert_array_equal(again.visible, clip.tracks.visible)
