from dataclasses import replace

import numpy as np
import plain_motion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.clip import Prediction
from hoibench.geometry import project, unproject
from hoibench.metrics.measurement import NotApplicable
from hoibench.metrics.pairing import anchor_radius, find_nearest_anchors, pair_prediction
from hoibench.metrics.true_tracks import build_true_tracks


@pytest.fixture(scope="module")
def truth(toy_clip):
    return build_true_tracks(toy_clip)


@given(seed=st.integers(0, 2**32 - 1), grid=st.booleans(), k=st.integers(0, 30))
def test_nearest_anchors_equal_plain_loops(seed, grid, k):
    rng = np.random.default_rng(seed)
    # Half-pixel positions are full of ties and duplicates, and of distances that equal the radius.
    draw = (lambda n: rng.integers(0, 8, (n, 2)) / 2.0) if grid else (lambda n: rng.uniform(0, 6, (n, 2)))
    pixels, anchors, radius = draw(20), draw(k), 1.0
    assert find_nearest_anchors(pixels, anchors, radius).tolist() == plain_motion.nearest_anchors(
        pixels, anchors, radius
    )


def test_ties_go_to_the_lowest_index_and_anchors_may_be_shared():
    anchors = np.array([[9.0, 9.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    assert find_nearest_anchors(np.array([[0.0, 0.0], [1.2, 0.0], [5.0, 5.0]]), anchors, 1.0).tolist() == [1, 1, -1]


def test_an_infinite_pixel_has_no_anchor():
    assert find_nearest_anchors(np.array([[np.inf, 0.0]]), np.zeros((1, 2)), 1.0).tolist() == [-1]


@pytest.mark.parametrize(("height", "radius"), [(128, 1.0), (240, 1.0), (480, 2.0), (3000, 12.5)])
def test_the_radius_grows_with_the_image(height, radius):
    assert anchor_radius(height) == radius


def test_query_pairs_by_index(toy_clip, truth, predict):
    prediction = predict(toy_clip)
    paired = pair_prediction(prediction, truth, "query")
    assert paired.pred.valid.tolist() == prediction.valid.tolist()
    assert paired.pred.xyz[prediction.valid].tolist() == prediction.tracks[prediction.valid].astype(float).tolist()
    assert paired.paired_truth is None


def test_anchor_pairing_finds_tracks_in_any_order_among_other_tracks(toy_clip, truth, predict):
    prediction = predict(toy_clip)
    order = np.random.default_rng(0).permutation(48)
    far = np.full((3, 5, 2), 1e4)
    mixed = replace(
        prediction,
        tracks=np.concatenate([np.zeros((3, 9, 5, 3)), prediction.tracks[:, :, order]], axis=2),
        anchors=np.concatenate([far, prediction.anchors[:, order]], axis=1),
        valid=np.concatenate([np.ones((3, 9, 5), dtype=bool), prediction.valid[..., order]], axis=2),
    )
    paired, straight = pair_prediction(mixed, truth, "anchor"), pair_prediction(prediction, truth, "query")
    m = truth.mask
    assert paired.pred.valid[m].all()
    assert paired.pred.xyz[m].tolist() == straight.pred.xyz[m].tolist()
    assert paired.paired_truth.xyz[m] == pytest.approx(truth.points[m], abs=1e-5)
    visible = truth.visible_first[:, 0]
    assert (order[paired.track_index[visible] - 5] == np.nonzero(visible)[1]).all()
    assert (paired.track_index[~visible] == -1).all()


def test_points_without_an_anchor_have_no_prediction(toy_clip, truth, predict):
    prediction = predict(toy_clip)
    anchors = prediction.anchors.copy()
    anchors[:, 3] += 500.0
    paired = pair_prediction(replace(prediction, anchors=anchors), truth, "anchor")
    lost = paired.track_index[:, 3] != 3
    assert lost.all()
    paired = pair_prediction(replace(prediction, anchors=prediction.anchors + 500.0), truth, "anchor")
    assert not paired.pred.valid.any()
    assert not paired.paired_truth.valid.any()


def test_the_paired_truth_starts_at_the_anchor(toy_clip, truth, predict):
    prediction = predict(toy_clip)
    shift = np.array([0.6, -0.3])
    paired = pair_prediction(replace(prediction, anchors=prediction.anchors + shift), truth, "anchor")
    v, k = next(
        (v, k) for v, k in zip(*np.nonzero(truth.visible_first[:, 0]), strict=True) if paired.track_index[v, k] == k
    )
    camera, first = toy_clip.cameras[v], truth.points[v, 0, k]
    assert project(paired.paired_truth.xyz[v, 0, [k]], camera.K)[0] == pytest.approx(
        prediction.anchors[v, k] + shift, abs=1e-4
    )
    assert paired.paired_truth.xyz[v, 0, k, 2] == pytest.approx(first[2])
    offset = paired.paired_truth.xyz[v, :, k] - truth.points[v, :, k]
    assert offset == pytest.approx(np.broadcast_to(offset[0], offset.shape))


def test_point_maps_are_sampled_at_the_pixel_of_the_true_point(toy_clip, truth):
    """In a map of the plane z = 1.4, the sample is within half a pixel of the true point's ray, at that depth."""
    rows, columns = np.mgrid[:128, :192]
    grid = np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(float)
    maps = np.stack([unproject(grid, np.full(len(grid), 1.4), c.K).reshape(128, 192, 3) for c in toy_clip.cameras])
    prediction = Prediction(points=np.repeat(maps[:, None], 9, axis=1).astype(np.float32))
    paired = pair_prediction(prediction, truth, "oracle-projection")
    m = truth.mask
    assert paired.pred.valid.tolist() == m.tolist()
    for v, camera in enumerate(toy_clip.cameras):
        off = project(paired.pred.xyz[v][m[v]], camera.K) - truth.pixels[v][m[v]]
        assert np.abs(off).max() <= 0.5 + 1e-3
        assert paired.pred.xyz[v][m[v]][:, 2] == pytest.approx(1.4)
        # The floor: the truth's own depth, on the ray of the pixel that was read.
        floor = paired.paired_truth.xyz[v][m[v]]
        assert floor[:, 2] == pytest.approx(truth.points[v][m[v]][:, 2])
        assert project(floor, camera.K) == pytest.approx(np.round(project(floor, camera.K)), abs=1e-6)
        assert np.abs(project(floor, camera.K) - truth.pixels[v][m[v]]).max() <= 0.5 + 1e-9


def test_a_point_is_valid_if_its_track_was_found_and_is_valid(toy_clip, predict, truth):
    """Point 0 has no anchor, and the track of point 5 is invalid in frame 3; all other tracks are valid."""
    prediction = predict(toy_clip)
    anchors, valid = prediction.anchors.copy(), np.ones_like(prediction.valid)
    anchors[:, 0] = -1e4
    valid[:, 3, 5] = False
    paired = pair_prediction(replace(prediction, anchors=anchors, valid=valid), truth, "anchor")
    found = paired.track_index >= 0
    assert not found[:, 0].any() and found[truth.visible_first[:, 0]].mean() > 0.9
    assert not paired.pred.valid[:, :, 0].any()
    track = paired.track_index == 5
    assert track.any() and not paired.pred.valid[:, 3][track].any()
    assert (paired.pred.valid[:, 4] == found).all()


@pytest.mark.parametrize("pairing", ["query", "anchor", "oracle-projection"])
def test_missing_tracks_or_point_maps_are_not_applicable(toy_clip, truth, predict, pairing):
    maps = Prediction(points=np.ones((3, 9, 4, 6, 3), dtype=np.float16))
    with pytest.raises(NotApplicable, match="no point maps" if pairing == "oracle-projection" else "no tracks"):
        pair_prediction(predict(toy_clip) if pairing == "oracle-projection" else maps, truth, pairing)


def test_an_unknown_pairing_is_refused(toy_clip, truth, predict):
    with pytest.raises(ValueError, match="pairing is 'nearest', expected one of query, anchor, oracle-projection"):
        pair_prediction(predict(toy_clip), truth, "nearest")
