"""The fit of silhouettes to pictures, on small synthetic planes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.datasets.surfaces import BACKGROUND
from hoibench.datasets.taco.silhouettes.fit import (
    agreement_matrix,
    build_evidence,
    build_templates,
    find_exchanged,
    fit_templates,
    mask_templates,
)

SIZE = (40, 56)
RING = 4


def labels_of(places, size=SIZE):
    """Labels (T, H, W) of a still target and of a tool of 8 x 10 pixels at these places (row, column)."""
    labels = np.full((len(places), *size), BACKGROUND, np.uint8)
    labels[:, 22:30, 14:26] = 3
    for label, (row, column) in zip(labels, places, strict=True):
        label[row : row + 8, column : column + 10] = 2
    return labels


LABELS = labels_of([(12, 16), (15, 20), (13, 26), (18, 30)])


def paint(labels, noise=3.0):
    """Pictures (T, H, W, 3) uint8 in which tool and target stand out from a textured background, with noise."""
    rng = np.random.default_rng(7)
    picture = np.where(labels == 2, 210, np.where(labels == 3, 60, 120 + rng.normal(0, 6, labels.shape[1:])))
    return np.clip(picture + rng.normal(0, noise, labels.shape), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=-1)


def test_a_constant_agrees_with_no_template():
    for templates in (build_templates(LABELS, RING), mask_templates(LABELS != BACKGROUND, RING)):
        np.testing.assert_allclose(templates.sum(axis=(1, 2)), 0.0, atol=1e-5)
        assert np.abs(templates).sum() > 1.0


@given(st.integers(-6, 6), st.integers(-6, 6))
def test_the_best_shift_is_that_of_the_picture(x, y):
    pictures = np.roll(paint(LABELS), (y, x), axis=(1, 2))
    fit = fit_templates(build_templates(LABELS, RING), build_evidence(pictures), 8)
    assert fit.shift == (x, y)
    assert fit.best > 0.5
    assert fit.agreement == pytest.approx(fit.best) if (x, y) == (0, 0) else fit.agreement < fit.best


def test_agreement_by_shift_equals_plain_sums():
    rng = np.random.default_rng(1)
    templates = np.zeros((3, 17, 23), np.float32)
    templates[:, 5:11, 6:15] = rng.normal(size=(3, 6, 9))
    evidence = rng.uniform(size=templates.shape).astype(np.float32)
    radius, plain = 4, {}
    for y in range(-radius, radius + 1):
        for x in range(-radius, radius + 1):
            plain[x, y] = sum(
                templates[m, r, c] * evidence[m, r + y, c + x]
                for m, r, c in np.argwhere(templates).tolist()
                if 0 <= r + y < 17 and 0 <= c + x < 23
            )
    fit = fit_templates(templates, evidence, radius)
    assert plain[fit.shift] == pytest.approx(max(plain.values()), abs=1e-4)
    assert fit.best == pytest.approx(max(plain.values()), abs=1e-4)
    assert fit.agreement == pytest.approx(plain[0, 0], abs=1e-4)
    assert agreement_matrix(templates[None], evidence[None])[0, 0] == pytest.approx(plain[0, 0], abs=1e-4)


def test_nothing_in_the_image_agrees_with_nothing():
    nothing = np.full_like(LABELS, BACKGROUND)
    fit = fit_templates(build_templates(nothing, RING), build_evidence(paint(LABELS)), 5)
    assert (fit.agreement, fit.best) == (0.0, 0.0)


def test_a_change_of_brightness_is_no_motion():
    bright = paint(LABELS).astype(int) + 10 * np.arange(4)[:, None, None, None]
    same, templates = build_evidence(paint(LABELS)), build_templates(LABELS, RING)
    changed = build_evidence(bright.astype(np.uint8))
    assert fit_templates(templates, changed, 6).shift == (0, 0)
    assert fit_templates(templates, changed, 6).best > 0.6 * fit_templates(templates, same, 6).best


@given(st.permutations(range(5)))
def test_every_exchange_is_found_and_nothing_else(order):
    matrix = np.full((5, 5), 0.3)
    matrix[range(5), order] = 1.0
    assert find_exchanged(matrix, 0.15, 0.4) == [(c, v) for c, v in enumerate(order) if c != v]


def test_an_exchange_must_be_better_for_every_camera():
    matrix = np.array([[0.5, 0.9, 0.1], [0.75, 0.7, 0.1], [0.1, 0.1, 0.9]])
    assert find_exchanged(matrix, 0.15, 0.4) == []
    matrix[1, 0] = 0.9
    assert find_exchanged(matrix, 0.15, 0.4) == [(0, 1), (1, 0)]
    assert find_exchanged(matrix, 0.15, 0.95) == []
