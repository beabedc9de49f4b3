"""PSNR and SSIM: closed forms, kornia's SSIM, windows that see the mask only, and the pixels that count."""

import kornia
import numpy as np
import pytest
import torch

from hoibench.evaluation.measure import measure
from hoibench.metric_card import all_cards
from hoibench.metrics.measurement import NotApplicable, Undefined
from hoibench.metrics.psnr import measure_psnr, measure_ssim, psnr, ssim

SHAPE = (2, 3, 18, 22, 3)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def truth(rng):
    return rng.integers(20, 236, SHAPE, dtype=np.uint8)


@pytest.fixture
def video(truth, rng):
    return (truth + rng.normal(0, 20, SHAPE)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def masks(rng):
    """Masks of about half of the pixels, empty in a frame of view 1."""
    masks = rng.random(SHAPE[:4]) < 0.5
    masks[1, 2] = False
    return masks


def decibels(error):
    return 10 * np.log10(255**2 / error)


def plain_ssim(video, truth, masks):
    """SSIM by one window after the other."""
    y, x = np.mgrid[-5:6, -5:6]
    gaussian = np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    values = []
    for v, n, row, column, channel in np.ndindex(*video.shape):
        inside = 5 <= row < video.shape[2] - 5 and 5 <= column < video.shape[3] - 5
        if n == 0 or not inside or not masks[v, n, row, column]:
            continue
        window = np.s_[v, n, row - 5 : row + 6, column - 5 : column + 6]
        weights = gaussian[masks[window]]
        a, b = (image[(*window, channel)][masks[window]].astype(float) for image in (video, truth))
        mean_a, mean_b = np.average(a, weights=weights), np.average(b, weights=weights)
        (var_a, both), (_, var_b) = np.atleast_2d(np.cov(a, b, aweights=weights, ddof=0))
        c1, c2 = 2.55**2, 7.65**2
        similarity = (2 * mean_a * mean_b + c1) * (2 * both + c2)
        values.append(similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)))
    return np.mean(values)


@pytest.mark.parametrize("offset", [1, 10])
def test_a_constant_offset_has_a_closed_form(truth, masks, offset):
    """SSIM of a constant offset is the luminance term alone."""
    shifted = truth + np.uint8(offset)
    assert psnr(shifted, truth) == psnr(shifted, truth, masks) == pytest.approx(decibels(offset**2))
    flat = np.full(SHAPE, 100, np.uint8)
    luminance = (200 * (100 + offset) + 2.55**2) / (100**2 + (100 + offset) ** 2 + 2.55**2)
    assert ssim(flat + np.uint8(offset), flat) == pytest.approx(luminance)


def test_equal_videos_have_finite_values(truth, masks):
    assert psnr(truth, truth) == psnr(truth, truth, masks) == 60.0
    assert ssim(truth, truth) == pytest.approx(1.0) and ssim(truth, truth, masks) == pytest.approx(1.0)
    almost = truth.copy()
    almost[0, 1, 0, 0, 0] += 1  # MSE 1 / 4752
    assert psnr(almost, truth) == 60.0


def test_errors_are_pooled_over_frames_and_views(truth):
    """Mean PSNR would be the mean of 60 dB and less."""
    video = truth.copy()
    video[1] += np.uint8(8)
    assert psnr(video, truth) == pytest.approx(decibels(8**2 / 2))


def test_ssim_equals_kornias(video, truth):
    images = (
        torch.from_numpy(x[:, 1:].reshape(-1, *SHAPE[2:]).astype(float)).permute(0, 3, 1, 2) for x in (video, truth)
    )
    expected = kornia.metrics.ssim(*images, window_size=11, max_val=255.0, padding="valid").mean().item()
    assert ssim(video, truth) == pytest.approx(expected, abs=1e-6)


def test_windows_weigh_the_pixels_of_the_mask(video, truth, masks):
    assert ssim(video, truth, masks) == pytest.approx(plain_ssim(video, truth, masks), rel=1e-9)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_frame_0_and_the_background_do_not_count(metric, video, truth, masks, rng):
    value = metric(video, truth, masks)
    other = np.where(masks[..., None], video, rng.integers(0, 256, SHAPE, dtype=np.uint8))
    other[:, 0] = 0
    assert metric(other, truth, masks) == pytest.approx(value, rel=1e-12)
    assert metric(other, truth) != pytest.approx(metric(video, truth), rel=0.01)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_wrong_inputs_are_refused(metric, video, truth, masks):
    with pytest.raises(ValueError, match=r"truth has shape \(2, 2, 18, 22, 3\), expected \(2, 3, 18, 22, 3\)"):
        metric(video, truth[:, :2])
    with pytest.raises(ValueError, match="video has dtype float64, expected uint8"):
        metric(video / 255, truth)
    with pytest.raises(ValueError, match="masks has dtype uint8, expected bool"):
        metric(video, truth, masks.astype(np.uint8))
    with pytest.raises(Undefined, match="one frame only"):
        metric(video[:, :1], truth[:, :1])
    with pytest.raises(Undefined, match="empty"):
        metric(video, truth, masks & False)


def test_ssim_needs_frames_of_a_window(video, truth):
    with pytest.raises(NotApplicable, match="10x22 pixels"):
        ssim(video[:, :, :10], truth[:, :, :10])


@pytest.mark.parametrize(("metric", "function"), [(measure_psnr, psnr), (measure_ssim, ssim)])
def test_rows_are_views_then_the_clip_in_both_regions(build_case, metric, function, video, truth, masks):
    """The foreground is the truth's, whatever masks the method gives."""
    rows = list(metric(build_case(video, masks=~masks, truth=truth, truth_masks=masks)))
    assert [(row.region, row.view) for row in rows] == [
        (region, view) for region in ("full", "fg") for view in ("view-0", "view-1", None)
    ]
    assert [(row.n_scored, row.n_expected) for row in rows] == [(2, 2), (2, 2), (4, 4), (2, 2), (1, 2), (3, 4)]
    assert (rows[2].value, rows[5].value) == (function(video, truth), function(video, truth, masks))
    assert rows[0].value == function(video[:1], truth[:1])


@pytest.mark.parametrize("metric", ["psnr@1", "ssim@1"])
def test_clips_without_truth_have_rows_with_the_reason(build_case, metric, video, truth, masks):
    card = all_cards()[metric]
    rows = measure(build_case(video, truth=truth), card)
    assert [(row.region, row.status) for row in rows if row.view is None] == [("full", "ok"), ("fg", "not_applicable")]
    assert rows[-1].reason == "the data set has no true masks"
    rows = measure(build_case(video, truth_masks=masks), card)
    assert [(row.region, row.reason) for row in rows] == [(r, "the data set has no true video") for r in ("full", "fg")]
    empty = measure(build_case(video, truth=truth, truth_masks=masks & False), card)
    assert (empty[-1].region, empty[-1].status, empty[-1].n_scored) == ("fg", "undefined", 0)
