"""Optical flow, and the numbers of VBench's rule."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hoibench.metrics.measurement import NotApplicable
from hoibench.metrics.optical_flow import Dis, check_flow_size, frame_flows, motion_threshold, sampling_step, top_mean
from hoibench.metrics.regions import RegionFrame


def dis_flow(image, other):
    (flow,) = Dis().flows([(image, other)])
    return flow


def frame_flow(frame, other):
    (flow,) = frame_flows(Dis(), [(frame, other)])
    return flow


class PaddedFlow:
    """A flow that is padded by 3 rows and 5 columns: 1 px in the image's first row, 4 px in the padding at the top, else 0."""

    name, weights = "padded", {}

    def flows(self, pairs):
        for image, _ in pairs:
            flow = np.zeros((image.shape[0] + 3, image.shape[1] + 5, 2), np.float32)
            flow[0], flow[1] = (0, 4), (1, 0)
            yield flow


def test_flow_follows_a_shift(texture):
    wide = texture(160, 240)
    image, other = wide[10:150, 20:220], wide[7:147, 14:214]  # content moves 6 px right and 3 px down
    flow = dis_flow(image, other)
    assert flow.shape == (140, 200, 2)
    assert np.abs(flow[20:-20, 20:-20] - (6, 3)).mean() < 0.1


def test_equal_images_have_no_flow(texture):
    image = texture(128, 192)
    assert not dis_flow(image, image).any()


def test_flow_does_not_depend_on_earlier_calls(texture):
    a, b, c = (texture(128, 192, seed) for seed in range(3))
    first = dis_flow(a, b)
    dis_flow(c, a)
    assert np.array_equal(dis_flow(a, b), first)


@pytest.mark.parametrize(
    ("fps", "step"),
    [(1, 1), (8, 1), (10, 1), (12, 2), (15, 2), (16, 2), (20, 2), (24, 3), (25, 3), (29.97, 4), (30, 4), (60, 8)],
)
def test_the_sampling_step_equals_vbench(fps, step):
    assert sampling_step(fps) == step


def test_the_threshold_equals_vbench():
    assert motion_threshold((480, 704)) == 11.25
    assert motion_threshold((256, 128)) == 3.0


@given(arrays(np.float64, st.integers(1, 200), elements=st.floats(0, 100)))
def test_the_top_mean_equals_sorting(magnitudes):
    count = max(1, int(0.05 * len(magnitudes)))
    assert top_mean(magnitudes) == pytest.approx(sorted(magnitudes)[-count:] @ np.full(count, 1 / count))


def test_an_empty_array_has_no_top_mean():
    assert top_mean(np.empty(0)) is None


def test_motion_counts_only_inside_the_mask(texture):
    wide = texture(128, 220)
    image, other = wide[:, 20:212].copy(), wide[:, 20:212].copy()
    other[:, 96:] = wide[:, 108:204]  # the right half moves by 8 px
    left = np.zeros((128, 192), bool)
    left[:, :80] = True
    assert frame_flow(RegionFrame.from_image(image), RegionFrame.from_image(other)).score > 6
    moved = frame_flow(RegionFrame.from_image(image, left), RegionFrame.from_image(other, left))
    assert moved.score == 0.0
    assert not moved.moving.any()
    assert frame_flow(RegionFrame.from_image(image, left & False), RegionFrame.from_image(other)).score is None


def test_pixels_above_the_threshold_move(texture):
    wide = texture(128, 220)
    moving = frame_flow(
        RegionFrame.from_image(wide[:, 20:212]), RegionFrame.from_image(wide[:, 14:206])
    ).moving  # 6 px, the threshold is 3
    assert moving[20:-20, 20:-20].mean() > 0.99
    slow = frame_flow(RegionFrame.from_image(wide[:, 20:212]), RegionFrame.from_image(wide[:, 18:210])).moving  # 2 px
    assert slow[20:-20, 20:-20].mean() < 0.01


def test_equal_pairs_are_computed_once(texture):
    images = [texture(128, 192, seed) for seed in (0, 1, 0, 1)]
    frames = [RegionFrame.from_image(image) for image in images]
    pairs, memo = list(pairwise(frames)), {}
    a, b, c = frame_flows(Dis(), pairs, memo)
    assert a is c and a is not b and a.score != b.score and len(memo) == 2
    assert frame_flows(Dis(), pairs[:1], memo)[0] is a
    assert frame_flows(Dis(), [(frames[0], frames[0])], memo)[0].score == 0


def test_padding_counts_in_the_score_without_a_mask_only():
    """VBench takes the largest 5 % of the padded flow, rounded down: 112 of 35 x 64 pixels; 64 have 4 px and 64 have 1 px."""
    image = np.zeros((32, 59, 3), np.uint8)
    (flow,) = frame_flows(PaddedFlow(), [(RegionFrame.from_image(image),) * 2])
    assert flow.score == pytest.approx((64 * 4 + 48) / 112)
    assert flow.moving.shape == (32, 59)
    assert flow.moving[0].all() and not flow.moving[1:].any()  # the threshold of this size is .75 px
    masked = RegionFrame.from_image(image, np.ones((32, 59), bool))
    assert frame_flows(PaddedFlow(), [(masked, masked)])[0].score == pytest.approx(59 / 94)  # int(.05 * 32 * 59) pixels


def test_small_frames_are_not_applicable():
    check_flow_size((128, 128))
    for size in ((127, 300), (300, 127)):
        with pytest.raises(NotApplicable, match=f"{size[0]}x{size[1]}"):
            check_flow_size(size)
