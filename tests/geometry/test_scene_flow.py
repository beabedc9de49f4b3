import numpy as np
import pytest

from hoibench.geometry.scene_flow import follow_scene_flow

K = np.array([[150.0, 0, 47.5], [0, 150.0, 31.5], [0, 0, 1]])
SIZE = (64, 96)
STEP = np.array([0.0015, -0.001, 0.002])  # metres per frame
ANGLE = 0.006  # radians per frame
PIVOT = np.array([0.0, 0.0, 1.4])


def turn(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def moved(points, n):
    """The rigid motion of the scene until frame n."""
    return (points - PIVOT) @ turn(ANGLE * n).T + PIVOT + n * STEP


def plane_maps(frames):
    """Exact float64 maps of a tilted, wide plane in rigid motion, and its scene flow."""
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(K).T
    maps, flow = [], []
    for n in range(frames):
        normal, through = turn(ANGLE * n) @ np.array([0.3, 0.2, -1.0]), PIVOT + n * STEP
        maps.append(rays * ((normal @ through) / (rays @ normal))[..., None])
        at_start = (maps[n] - PIVOT - n * STEP) @ turn(ANGLE * n) + PIVOT
        flow.append(moved(at_start, n + 1) - maps[n])
    return np.stack(maps), np.stack(flow)


def test_a_rigid_motion_is_followed_over_49_frames_within_1_mm_from_float16_maps():
    maps, flow = plane_maps(49)
    anchors = np.random.default_rng(0).uniform((10, 10), (80, 50), (60, 2))
    maps, flow = maps.astype(np.float16), flow.astype(np.float16)
    tracks, valid = follow_scene_flow(maps, flow, K, anchors)
    column, row = np.floor(anchors + 0.5).astype(int).T
    start = maps[0, row, column].astype(float)
    expected = np.stack([moved(start, n) for n in range(49)])
    assert valid.mean() > 0.8
    assert np.linalg.norm(expected[-1] - expected[0], axis=-1).min() > 0.04  # metres: the points do move
    assert np.linalg.norm(tracks - expected, axis=-1)[valid].max() < 1e-3
    assert tracks.dtype == np.float32


def test_a_passing_occluder_makes_points_invalid_and_never_wrong():
    maps, flow = plane_maps(12)
    hand = np.zeros((12, *SIZE), dtype=bool)
    for n in range(4, 12):
        hand[n, 20:44, 10 * (n - 4) : 10 * (n - 4) + 12] = True
    maps[hand] *= 0.6
    flow[hand] = [0.06, 0.0, 0.0]
    anchors = np.stack(np.meshgrid(np.arange(8.0, 90, 6), [5.0, 32.0, 58.0]), axis=-1).reshape(-1, 2)
    tracks, valid = follow_scene_flow(maps, flow, K, anchors)
    column, row = anchors.astype(int).T
    expected = np.stack([moved(maps[0, row, column], n) for n in range(12)])
    crossed = anchors[:, 1] == 32.0
    assert np.linalg.norm(tracks - expected, axis=-1)[valid].max() < 1e-3
    assert valid[:4].all() and not valid[-1, crossed & (anchors[:, 0] < 60)].any()
    assert valid[-1, ~crossed].mean() > 0.8
    assert (valid[1:] <= valid[:-1]).all()


def test_flow_is_interpolated_over_the_cells_of_the_same_depth_only():
    """Restated with the weights written out: the fourth cell belongs to another surface, the third has no flow."""
    maps = np.full((2, 2, 2, 3), 2.0)
    camera = np.array([[1.0, 0, -0.75], [0, 1.0, -0.5], [0, 0, 1]])  # the position (2, 2, 2) is at pixel (0.25, 0.5)
    maps[0, 1, 1] = 3.0
    flow = np.zeros((2, 2, 2, 3))
    flow[0, 0, 0], flow[0, 0, 1], flow[0, 1, 0], flow[0, 1, 1] = 0.1, 0.2, np.nan, 9.0
    tracks, valid = follow_scene_flow(maps, flow, camera, np.array([[0.0, 0.0]]))
    assert valid.all()
    assert tracks[1, 0] == pytest.approx(2.0 + (0.375 * 0.1 + 0.125 * 0.2) / 0.5)


def test_anchors_without_a_position_are_invalid_throughout():
    maps, flow = plane_maps(2)
    maps[0, 5, 5] = np.nan
    anchors = np.array([[5.0, 5.0], [-0.6, 3.0], [3.0, 63.5], [20.0, 20.0]])
    assert follow_scene_flow(maps, flow, K, anchors)[1].T.tolist() == [[False] * 2] * 3 + [[True] * 2]
