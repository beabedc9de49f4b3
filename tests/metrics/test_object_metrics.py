"""The metrics of objects and parts on plain arrays: rigidity, object_rotation, object_translation, object_add, hand_error and object_error."""

from functools import partial

import numpy as np
import plain_interaction as plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hoibench.clip import Camera
from hoibench.metrics.measurement import Undefined
from hoibench.metrics.object_fits import can_be_fitted
from hoibench.metrics.object_pose import object_add, object_rotation, object_translation
from hoibench.metrics.part_error import hand_error, object_error
from hoibench.metrics.rigidity import rigidity
from hoibench.metrics.true_tracks import scene_size, world_to_cameras

seeds = st.integers(0, 2**32 - 1)
V, N = 2, 4
AXES = (np.array([0.0, 0.6, 0.8]), None)


class Scene:
    """Two hands, and a tool and a target that move as rigid bodies before two cameras; the parts differ in number of points."""

    def __init__(self, seed, noise=0.01, visible=0.8, predicted=0.85):
        rng = np.random.default_rng(seed)
        numbers = rng.integers(8, 14, 4)
        self.part = np.repeat(np.arange(4), numbers)
        first = rng.normal(0.0, 0.05, (numbers.sum(), 3)) + rng.normal(0.0, 0.1, (4, 3))[self.part]
        self.world = np.empty((N, len(first), 3))
        for part in range(4):
            own = self.part == part
            turns = Rotation.from_rotvec(np.linspace(0, 1, N)[:, None] * rng.normal(0, 0.4, 3)).as_matrix()
            shift = np.linspace(0, 1, N)[:, None] * rng.normal(0, 0.1, 3)
            self.world[:, own] = first[own] @ turns.mT + shift[:, None]
        self.cameras = [
            Camera(np.diag([300.0, 300, 1]), Rotation.random(rng=rng).as_matrix(), np.array([0, 0, 1.5]), (128, 192))
            for _ in range(V)
        ]
        self.X = world_to_cameras(self.world, self.cameras)
        self.pred = self.X + rng.normal(0.0, noise, self.X.shape)
        self.mask = rng.random(self.X.shape[:3]) < visible
        self.mask[0, 1] = True  # at least one set can be fitted
        self.valid = rng.random(self.X.shape[:3]) < predicted
        for part in range(4):
            self.valid[..., np.flatnonzero(self.part == part)[:4]] = True
        # At least 3 valid points in each set.
        self.mask[..., [np.flatnonzero(self.part == part)[k] for part in range(4) for k in range(3)]] = True

    def of(self, function, pred=None, **changes):
        values = {
            "pred": self.pred if pred is None else pred,
            "world": self.world,
            "cameras": self.cameras,
            "part": self.part,
            "mask": self.mask,
            "valid": self.valid,
        } | changes
        if function is rigidity:
            del values["cameras"]
        return function(**values)


METRICS = (rigidity, object_rotation, object_translation, object_add, hand_error, object_error)


@settings(max_examples=10)
@given(seed=seeds)
def test_equal_to_plain_loops(seed):
    s = Scene(seed)
    arguments = (s.pred, s.world, s.cameras, s.part, s.mask, s.valid)
    expected = plain.objects(*arguments, axes=AXES)
    found = {
        "rigidity": s.of(rigidity),
        "rotation": s.of(object_rotation, axes=AXES),
        "translation": s.of(object_translation),
        "add": s.of(object_add),
    }
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert s.of(object_rotation) == pytest.approx(plain.objects(*arguments)["rotation"], rel=1e-9)
    assert s.of(hand_error) == pytest.approx(plain.part_error(*arguments, (0, 1)), rel=1e-9)
    assert s.of(object_error) == pytest.approx(plain.part_error(*arguments, (2, 3)), rel=1e-9)


@settings(max_examples=10)
@given(seed=seeds)
def test_truth_against_itself_is_perfect(seed):
    s = Scene(seed)
    for metric in METRICS:
        assert s.of(metric, pred=s.X, valid=None) == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=10)
@given(seed=seeds)
def test_the_world_s_frame_and_the_order_of_points_and_views_do_not_matter(seed):
    s, rng = Scene(seed), np.random.default_rng(seed)
    R, t = Rotation.random(rng=rng).as_matrix(), rng.normal(size=3)
    cameras = [Camera(c.K, c.R @ R.T, c.t - c.R @ R.T @ t, c.size) for c in s.cameras]
    order = rng.permutation(len(s.part))
    for metric in (*METRICS, partial(object_rotation, axes=AXES)):
        moved = {"world": s.world @ R.T + t, "cameras": cameras}
        if isinstance(metric, partial):
            moved["axes"] = (R @ AXES[0], None)
        assert s.of(metric, **moved) == pytest.approx(s.of(metric), rel=1e-8, abs=1e-12)
        shuffled = {name: getattr(s, name)[::-1, :, order] for name in ("pred", "mask", "valid")}
        same = s.of(metric, world=s.world[:, order], cameras=s.cameras[::-1], part=s.part[order], **shuffled)
        assert same == pytest.approx(s.of(metric), rel=1e-8, abs=1e-12)


@settings(max_examples=10)
@given(seed=seeds)
def test_leaving_a_point_out_costs_more_than_any_answer(seed):
    """Of a set of points, one that is D or half a turn off at least, and one without a prediction."""
    s = Scene(seed, predicted=1.0)
    kept = s.valid.copy()
    kept[:, :, np.random.default_rng(seed).integers(4, len(s.part), 3)] = False
    for metric in METRICS:
        assert s.of(metric, valid=kept) >= s.of(metric) - 1e-12
        cap = 180.0 if metric is object_rotation else scene_size(s.world)
        assert s.of(metric, valid=np.zeros_like(kept)) == pytest.approx(cap)
        assert s.of(metric, pred=s.pred + 1e3 * s.X) <= cap + 1e-9


@settings(max_examples=8)
@given(seed=seeds, far=st.one_of(st.floats(0.01, 0.3), st.floats(2.0, 1e4)))
def test_leaving_out_points_that_are_off_gains_little_or_nothing(seed, far):
    """A fifth of the points is off by D / 100 to D / 3 or by 2 D to 10,000 D, in directions of their own."""
    s, rng = Scene(seed, predicted=1.0), np.random.default_rng(seed)
    off = np.broadcast_to(np.arange(len(s.part)) % 5 == 0, s.mask.shape)
    direction = rng.normal(size=s.X.shape)
    step = far * scene_size(s.world) / np.linalg.norm(direction, axis=-1, keepdims=True)
    pred = np.where(off[..., None], s.X + step * direction, s.X)
    for metric in METRICS:
        kept, left_out = (s.of(metric, pred=pred, valid=valid) for valid in (None, ~off))
        assert left_out >= 0.95 * kept, metric


@settings(max_examples=20)
@given(seed=seeds, degrees=st.floats(1, 170), metres=st.floats(0.001, 0.02))
def test_a_tool_moved_as_one_body(seed, degrees, metres):
    """Rotation and translation say by how much; half of the value is that of the target, which is in place."""
    s, rng = Scene(seed, visible=1.0), np.random.default_rng(seed)
    axis, step = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
    tool = s.part == 2
    centre = s.X[:, :, tool].mean(axis=2, keepdims=True)
    pred = s.X.copy()
    pred[:, :, tool] = (pred[:, :, tool] - centre) @ Rotation.from_rotvec(np.radians(degrees) * axis).as_matrix().T
    pred[:, :, tool] += centre + metres * step
    assert s.of(rigidity, pred=pred, valid=None) == pytest.approx(0.0, abs=1e-9)
    assert s.of(object_rotation, pred=pred, valid=None) == pytest.approx(degrees / 2)
    assert s.of(object_translation, pred=pred, valid=None) == pytest.approx(metres / 2)


def test_a_turn_about_an_axis_of_symmetry_does_not_count():
    s = Scene(0, visible=1.0)
    tool = s.part == 2
    turn = Rotation.from_rotvec(1.0 * AXES[0]).as_matrix()
    centre = s.world[0, tool].mean(axis=0)
    world = np.stack([s.world[0]] * N)  # at rest
    pred = world.copy()
    pred[1:, tool] = (pred[1:, tool] - centre) @ turn.T + centre
    arguments = {"pred": world_to_cameras(pred, s.cameras), "world": world, "valid": None}
    assert s.of(object_rotation, **arguments) == pytest.approx(np.degrees(1.0) / 2)
    assert s.of(object_rotation, axes=AXES, **arguments) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("part", [2, 3])
def test_a_part_that_collapses_is_not_rigid(part):
    """To a tenth, about its own centre: nine tenths of its own size."""
    s = Scene(1, visible=1.0)
    own = s.part == part
    centre = s.X[:, :, own].mean(axis=2, keepdims=True)
    pred = s.X.copy()
    pred[:, :, own] = centre + 0.1 * (s.X[:, :, own] - centre)
    away = np.minimum(0.9 * np.linalg.norm(s.X[:, 1:, own] - centre[:, 1:], axis=-1), scene_size(s.world))
    size = np.sqrt(np.square(away).mean())
    assert s.of(rigidity, pred=pred, valid=None) == pytest.approx(size / 2, rel=0.03)  # points over D away turn no fit
    still = np.repeat(pred[:, :1], N, axis=1)  # not even if it is so from the first frame on
    assert s.of(rigidity, pred=still, valid=None) == pytest.approx(size / 2, rel=0.03)


def test_objects_that_melt_are_not_rigid():
    """Each point drifts by a vector of its own: after 3 cm in a random direction the shape is off by about as much."""
    s = Scene(2, visible=1.0)
    drift = np.random.default_rng(0).normal(size=(len(s.part), 3))
    drift *= 0.03 / np.linalg.norm(drift, axis=-1, keepdims=True)
    value = s.of(rigidity, pred=s.X + drift, valid=None)
    assert 0.015 < value < 0.03


def test_few_points_determine_no_fit():
    rng = np.random.default_rng(0)
    everywhere = np.ones((1, 2, 6), dtype=bool)
    wide = rng.normal(0.0, 0.05, (6, 3))
    assert can_be_fitted(wide, everywhere).tolist() == [[False, True]]  # frame 0 is given
    assert not can_be_fitted(wide[:5], everywhere[..., :5]).any()
    many = np.ones((1, 2, 400), dtype=bool)
    thin = rng.normal(0.0, 1.0, (400, 3)) * [0.1, 0.009, 0.009]  # 400 points on a pen
    assert not can_be_fitted(thin, many).any()
    small = rng.normal(0.0, 0.012, (400, 3))  # it takes 14 points or more
    numbers = [n for n in range(6, 40) if can_be_fitted(small, many & (np.arange(400) < n))[0, 1]]
    assert 10 < numbers[0] < 20


def test_what_cannot_be_fitted_is_undefined():
    s = Scene(3)
    few = s.mask & (np.arange(len(s.part)) % 4 == 0)
    for metric in METRICS[:4]:
        with pytest.raises(Undefined, match="enough true points"):
            s.of(metric, mask=few)
    with pytest.raises(Undefined):
        s.of(hand_error, mask=s.mask & (s.part > 1))
    hands = {"part": s.part % 2}  # no objects at all
    with pytest.raises(Undefined):
        s.of(rigidity, **hands)


def test_shapes_that_do_not_fit_are_refused():
    s = Scene(4)
    for metric in METRICS:
        with pytest.raises(ValueError, match="part has shape"):
            s.of(metric, part=s.part[1:])
        with pytest.raises(ValueError, match="mask"):
            s.of(metric, mask=s.mask.astype(int))
        with pytest.raises(ValueError, match="world has .*nan"):
            s.of(metric, world=np.where(np.arange(3) == 1, np.nan, s.world))
