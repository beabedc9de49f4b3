from dataclasses import replace

import numpy as np
import plain_motion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.clip import PARTS
from hoibench.metrics.measurement import Undefined
from hoibench.metrics.motion_following import motion_following

seeds = st.integers(0, 2**32 - 1)


def scene(seed, shape=(2, 7, 5)):
    rng = np.random.default_rng(seed)
    X = rng.normal(0.0, 0.02, (*shape, 3)).cumsum(axis=1)
    mask, valid = rng.random(shape) < 0.8, rng.random(shape) < 0.8
    mask[0, :2, 0] = True
    return X + rng.normal(0.0, 0.02, X.shape), X, mask, valid


@given(seed=seeds)
def test_equal_to_plain_loops(seed):
    P, X, m, valid = scene(seed)
    assert motion_following(P, X, m, valid) == pytest.approx(plain_motion.motion_following(P, X, m, valid), rel=1e-9)


@given(seed=seeds, share=st.floats(-1.0, 2.0))
def test_the_share_of_the_motion_by_hand(seed, share):
    _, X, m, _ = scene(seed)
    first = X[:, :1]
    assert motion_following(first + share * (X - first) + 0.3, X, m) == pytest.approx(share, abs=1e-9)
    R = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    assert motion_following(share * X @ R, X @ R, m) == pytest.approx(share, abs=1e-9)


@given(seed=seeds)
def test_a_missing_point_counts_as_standing_still(seed):
    P, X, m, valid = scene(seed)
    still = np.where((valid & valid[:, :1])[..., None], P, P[:, :1])
    assert motion_following(P, X, m, valid) == pytest.approx(motion_following(still, X, m), rel=1e-9)


def test_a_truth_at_rest_is_undefined():
    P, X, m, _ = scene(0)
    rest = np.repeat(X[:, :1], X.shape[1], axis=1)
    with pytest.raises(Undefined, match="at rest"):
        motion_following(P, rest + 2e-4 * np.random.default_rng(0).normal(size=X.shape), m)
    with pytest.raises(Undefined):
        motion_following(P, X, np.zeros_like(m))


def test_standing_still_and_jitter_do_not_follow_and_noise_on_the_truth_does(toy_clip, predict, measure):
    """The toy's target is at rest; frame 0 is held, and held with noise of 1 cm that differs from frame to frame."""
    noise = np.random.default_rng(0).normal(0.0, 0.01, predict(toy_clip).tracks.shape).astype(np.float32)
    frozen = predict(toy_clip, "frozen")
    rows = measure("motion_following@1", frozen, toy_clip)
    assert [(row.view, row.part) for row in rows] == [
        *((view, None) for view in ("left", "center", "right")),
        *((None, part) for part in PARTS),
        (None, None),
    ]
    assert [row.value for row in rows if row.status == "ok"] == pytest.approx([0.0] * 7)
    assert {row.part: row.reason for row in rows if row.status == "undefined"} == {
        "target": "the true points are at rest"
    }
    jitter = measure("motion_following@1", predict(toy_clip, "frozen", tracks=frozen.tracks + noise), toy_clip)
    assert abs(jitter[-1].value) < 0.1
    noisy = measure("motion_following@1", predict(toy_clip, "gt_noise_1cm"), toy_clip)
    assert all(row.value == pytest.approx(1.0, abs=0.1) for row in noisy if row.status == "ok")


def test_rows_count_the_frames_and_points_of_their_view_or_part(toy_clip, predict, measure):
    """The tool is never visible; in each of three views, 9 frames show the other parts, and half of the predictions are missing."""
    visible = toy_clip.tracks.visible & (toy_clip.tracks.part != 2)
    clip = replace(toy_clip, tracks=replace(toy_clip.tracks, visible=visible))
    prediction = predict(clip)
    kept = np.random.default_rng(0).random(visible.shape) < 0.5
    rows = measure("motion_following@1", replace(prediction, valid=prediction.valid & kept), clip)
    assert [(row.n_scored, row.n_expected) for row in rows if row.view] == [(9, 9)] * 3
    parts = {row.part: row for row in rows if row.part}
    assert (parts["tool"].n_scored, parts["tool"].n_expected, parts["tool"].coverage) == (0, 27, None)
    assert parts["tool"].reason == "no true point is visible in any frame"
    m = visible & visible[:, :1]
    assert (rows[-1].n_scored, rows[-1].n_expected) == (27, 27)
    assert rows[-1].coverage == pytest.approx((m & kept).sum() / m.sum())
