import numpy as np
import plain_motion
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.metric_card import all_cards
from hoibench.metrics.chamfer import chamfer, chamfer_paper
from hoibench.metrics.cloud_distance import compare_clouds, nearest_distances
from hoibench.metrics.measurement import Undefined

seeds = st.integers(0, 2**32 - 1)
AWAY = np.array([0.0, 0.0, 1.5])  # metres from the camera
SIZE = 0.35  # metres: the RMS distance of the scene's points to their centroid


def scene(seed, shape=(2, 2, 10), predicted=9):
    rng = np.random.default_rng(seed)
    X = rng.normal(0.0, 0.2, (*shape, 3)) + AWAY
    P = rng.normal(0.0, 0.2, (*shape[:2], predicted, 3)) + AWAY
    mask, valid = rng.random(shape) < 0.7, rng.random(P.shape[:3]) < 0.7
    mask[0, 0, 0] = True
    return P, X, mask, valid


def frame(points):
    return np.asarray(points, dtype=float)[None, None]


def everywhere(points):
    return np.ones(points.shape[:3], dtype=bool)


@settings(max_examples=50)
@given(seed=seeds, predicted=st.sampled_from([3, 9, 30]))
def test_equal_to_plain_loops(seed, predicted):
    P, X, m, valid = scene(seed, predicted=predicted)
    rng = np.random.default_rng(seed)
    recorded, covered = m | (rng.random(m.shape) < 0.5), m & (rng.random(m.shape) < 0.8)
    coverage = np.array(
        [[c[k].mean() if k.any() else 1.0 for c, k in zip(*view, strict=True)] for view in zip(covered, m, strict=True)]
    )
    for power in (1, 2):
        found = chamfer(P, X, m, SIZE, valid, recorded, coverage, seed, power)
        plain = plain_motion.chamfer(P, X, m, valid, recorded, covered, SIZE, seed, power)
        assert found == pytest.approx(plain, rel=1e-9)
        plain = plain_motion.chamfer_paper(P, X, valid, recorded, SIZE, power)
        assert chamfer_paper(P, X, SIZE, valid, recorded, power) == pytest.approx(plain, rel=1e-9)


def test_trees_equal_brute_force():
    rng = np.random.default_rng(0)
    points, targets = rng.normal(0, 0.2, (700, 3)) + AWAY, rng.normal(0, 0.2, (900, 3)) + AWAY
    table = np.sqrt(np.square(points[:, None] - targets[None]).sum(axis=-1))
    assert nearest_distances(points, targets) == pytest.approx(table.min(axis=1), rel=1e-12)


def test_many_pairs_keep_their_order():
    rng = np.random.default_rng(1)
    clouds = [rng.normal(size=(5, 3)) for _ in range(20)]
    truths = [rng.normal(size=(6, 3)) for _ in range(20)]
    all_count = [np.ones(6, dtype=bool)] * 20
    together = compare_clouds(clouds, truths, all_count)
    for i, pair in enumerate(zip(clouds, truths, all_count, strict=True)):
        alone = compare_clouds(*([item] for item in pair))
        assert together[i : i + 1].linear.tolist() == alone.linear.tolist()


@pytest.mark.parametrize("d", [0.001, 0.02, 0.049])
def test_two_shifted_grids_by_hand(d):
    """If d is below half the pitch, the nearest neighbour of each point is its own copy: 2 d, and 2 d^2."""
    grid = np.stack(np.meshgrid(*[0.1 * np.arange(4)] * 3), axis=-1).reshape(-1, 3) + AWAY
    P, X = frame(grid + np.array([d, 0, 0])), frame(grid)
    assert chamfer(P, X, everywhere(X), SIZE) == pytest.approx(2 * d, rel=1e-9)
    assert chamfer(P, X, everywhere(X), SIZE, power=2) == pytest.approx(2 * d**2, rel=1e-9)


@given(seed=seeds)
def test_the_order_of_points_does_not_matter_and_a_cloud_has_distance_zero_to_itself(seed):
    P, X, m, valid = scene(seed)
    order = np.random.default_rng(seed).permutation(P.shape[2])
    shuffled = chamfer(P[:, :, order], X, m, SIZE, valid[:, :, order])
    assert shuffled == pytest.approx(chamfer(P, X, m, SIZE, valid), rel=1e-12)
    order = np.random.default_rng(seed).permutation(X.shape[2])
    assert chamfer(X[:, :, order], X, m, SIZE, m[:, :, order]) == 0


@given(seed=seeds)
def test_chamfer_is_symmetric_invariant_and_bounded_by_the_paired_error(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(0.0, 0.2, (1, 2, 12, 3))
    P = X + rng.normal(0.0, 0.1, X.shape)
    value, m = chamfer(P, X, everywhere(X), 9.0), everywhere(X)
    assert chamfer(X, P, m, 9.0) == pytest.approx(value, rel=1e-12)
    R = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert chamfer(P @ R.T + 1.0, X @ R.T + 1.0, m, 9.0) == pytest.approx(value, rel=1e-9)
    assert value <= 2 * np.linalg.norm(P - X, axis=-1).mean() + 1e-12


@given(seed=seeds)
def test_right_answers_to_hidden_points_cost_nothing(seed):
    """A perfect method scores 0 whether it predicts the visible points only, some hidden ones, or all."""
    _, X, m, _ = scene(seed)
    some = m | (np.random.default_rng(seed).random(m.shape) < 0.5)
    assert [chamfer(X, X, m, SIZE, valid) for valid in (m, some, everywhere(X))] == [0, 0, 0]


def test_frames_without_truth_are_dropped():
    P, X, m, valid = scene(5)
    m[1] = False
    m[0, 1] = False
    alone = chamfer(P[:1, :1], X[:1, :1], m[:1, :1], SIZE, valid[:1, :1])
    assert chamfer(P, X, m, SIZE, valid) == pytest.approx(alone, rel=1e-12)
    with pytest.raises(Undefined):
        chamfer(P, X, np.zeros_like(m), SIZE, valid)


def test_a_frame_without_predictions_or_far_off_scores_the_size_of_the_scene():
    P, X, m, _ = scene(6)
    nothing = np.zeros(P.shape[:3], dtype=bool)
    for power in (1, 2):
        cap = pytest.approx(SIZE**power)
        assert chamfer(P, X, m, SIZE, nothing, power=power) == cap
        assert chamfer(P + 9.0, X, m, SIZE, power=power) == cap
        assert chamfer(X, X, m, SIZE, coverage=np.zeros(m.shape[:2]), power=power) == cap
    assert chamfer_paper(P, X, SIZE, nothing) == pytest.approx(SIZE)
    assert chamfer_paper(P + 9.0, X, SIZE) > 20


@given(seed=seeds, share=st.floats(0.1, 0.9))
def test_leaving_points_out_does_not_pay_where_their_errors_are_within_the_spacing_of_points(seed, share):
    """One point in three is up to 3 cm off, the others up to 1 mm, at a spacing of about 5 cm; the method keeps the best ``share`` of its points."""
    rng = np.random.default_rng(seed)
    X = rng.normal(0.0, 0.1, (1, 1, 60, 3)) + AWAY
    size = np.where(np.arange(60) % 3, 0.001, 0.03) * rng.random(60)
    P = X + size[:, None] * np.array([1.0, 0.0, 0.0])
    valid = (size <= np.quantile(size, share))[None, None]
    coverage = valid.mean(axis=-1)
    assert chamfer(P, X, everywhere(X), SIZE, valid, coverage=coverage) > chamfer(P, X, everywhere(X), SIZE)


def four_spheres(rng):
    """Return 1600 points of four spheres of 4 cm, as dense as a clip of TACO, and the sphere of each point."""
    part = np.arange(1600) % 4
    centres = np.array([[-0.1, 0.05, 0.1], [0.15, -0.05, 0.15], [0.2, 0.0, 0.12], [0.0, 0.0, 0.03]])
    directions = rng.normal(size=(1600, 3))
    return frame(centres[part] + 0.04 * directions / np.linalg.norm(directions, axis=1, keepdims=True) + AWAY), part


@pytest.mark.parametrize(("far", "pays"), [(0.01, False), (0.02, False), (0.1, True), (0.3, True)])
def test_leaving_out_points_that_are_far_off_pays_as_the_card_says(far, pays):
    """The weakness of a division by the coverage: a tenth of the points has larger errors than the 1 cm of the others."""
    rng = np.random.default_rng(0)
    X, _ = four_spheres(rng)
    is_far = rng.random(1600) < 0.1
    P = X + rng.normal(size=X.shape) / np.sqrt(3) * np.where(is_far, far, 0.01)[:, None]
    kept = ~is_far[None, None]
    left_out = chamfer(P, X, everywhere(X), SIZE, kept, coverage=kept.mean(axis=-1))
    assert (left_out < chamfer(P, X, everywhere(X), SIZE)) == pays
    assert "ten times those of the others" in all_cards()["chamfer@2"].failure


def test_repeating_the_best_points_pays_as_the_card_says():
    """Accuracy is a mean over all predicted points: 16 copies of the right quarter of them hide the others."""
    rng = np.random.default_rng(0)
    X, part = four_spheres(rng)
    P = X + rng.normal(size=X.shape) / np.sqrt(3) * np.where(part == 3, 0.003, 0.05)[:, None]
    repeated = np.concatenate([P, *[P[:, :, part == 3]] * 15], axis=2)
    assert chamfer(repeated, X, everywhere(X), SIZE) < 0.8 * chamfer(P, X, everywhere(X), SIZE)
    assert "many points where it is sure" in all_cards()["chamfer@2"].failure


def test_denser_predictions_with_the_same_noise_score_alike():
    """A surface is sampled 1 to 16 times as densely as the truth is, with 1 cm noise on every point."""
    rng = np.random.default_rng(7)

    def sheet(count):
        xy = rng.uniform(-0.2, 0.2, (count, 2))
        return np.column_stack([xy, 0.05 * np.sin(20 * xy).sum(axis=1)]) + AWAY

    X = frame(sheet(800))
    values = []
    for density in (1, 4, 16):
        noisy = sheet(800 * density)
        values.append(chamfer(frame(noisy + rng.normal(0.0, 0.01, noisy.shape)), X, everywhere(X), SIZE))
    assert max(values) / min(values) < 1.03


def test_predictions_are_drawn_only_where_they_outnumber_the_recorded_points():
    rng = np.random.default_rng(8)
    truth, all_count = rng.uniform(0, 1, (100, 3)), np.ones(100, dtype=bool)
    dense = np.concatenate([truth, rng.uniform(0, 1, (200, 3))])
    found = compare_clouds([dense, dense[:100]], [truth] * 2, [all_count] * 2)
    assert found.drawn.tolist() == [True, False]
    assert found.linear[0, 1] > 0 == found.linear[0, 2]  # drawn down, and complete
    assert found.linear[1].tolist() == [0, 0, 0]
    other = compare_clouds([dense], [truth], [all_count], seed=1)
    assert other.linear[0, 1] != found.linear[0, 1]
    assert other.linear[0, [0, 2]].tolist() == found.linear[0, [0, 2]].tolist()


def test_wrong_shapes_and_nan_are_named():
    P, X, m, valid = scene(8)
    with pytest.raises(ValueError, match="pred has shape"):
        chamfer(P[:1], X, m, SIZE, valid[:1])
    with pytest.raises(ValueError, match="the mask of pred has shape"):
        chamfer(P, X, m, SIZE, valid[:1])
    with pytest.raises(ValueError, match="coverage has shape"):
        chamfer(P, X, m, SIZE, valid, coverage=np.ones(3))
    with pytest.raises(ValueError, match=r"pred has \[nan"):
        chamfer(P * np.nan, X, m, SIZE, valid)
