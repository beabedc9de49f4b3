"""Points made to score well: each is greyed, or no better than an honest twin in any ranked column of motion."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from depth_and_part import render_depth_and_part
from gaming import Truth, cheat, check_cheat, find_cheats

from hoibench.clip import PARTS, Prediction
from hoibench.datasets.surfaces import build_frame_mesh
from hoibench.geometry import unproject

CENTIMETRE = 0.01
WALL = 2.0
"""Depth in metres of the background of point maps."""


def perfect(truth: Truth):
    """The truth, hidden points too."""
    return truth.tracks(truth.X)


def noisy(truth: Truth):
    """The truth with 1 cm of noise."""
    return truth.tracks(truth.X + truth.noise(CENTIMETRE))


def slightly_noisy(truth: Truth):
    """The truth with 3 mm of noise."""
    return truth.tracks(truth.X + truth.noise(0.003))


def half_noisy(truth: Truth):
    """The truth with 1 cm of noise on half of the points and 3 cm on the others."""
    return uneven(truth, 0.03)


def half_far(truth: Truth):
    """The truth with 1 cm of noise on half of the points and 10 cm on the others."""
    return uneven(truth, 0.1)


@cheat(perfect, same=("chamfer@2",))
def hidden_left_out(truth: Truth):
    """A right answer to a hidden point must not cost more than none."""
    return truth.tracks(truth.X, valid=truth.seen)


@cheat(noisy, same=("chamfer@2",))
def sixteen_times_denser(truth: Truth):
    """The noise of the twin, drawn 16 times."""
    copies = [truth.X + truth.noise(CENTIMETRE) for _ in range(16)]
    return truth.tracks(np.concatenate(copies, axis=2), copies=16)


def noisy_where_jerky(truth: Truth):
    """The truth with noise in proportion to the mean second difference of each point, 1 cm on average."""
    return truth.tracks(truth.X + truth.noise(CENTIMETRE * (jerk(truth) / jerk(truth).mean())[:, None]))


@cheat(noisy_where_jerky)
def jerkiest_left_out(truth: Truth):
    """The same without the 60 % of the points that accelerate most."""
    valid = np.broadcast_to(jerk(truth) <= np.quantile(jerk(truth), 0.4), truth.seen.shape)
    return replace(noisy_where_jerky(truth), valid=valid.copy())


@cheat(half_noisy)
def noisier_half_left_out(truth: Truth):
    """No answer where the error would be large."""
    return leave_second_half_out(half_noisy(truth))


@cheat(half_far, wins={"chamfer@2": "Leaving points out still pays where they are far off"})
def far_half_left_out(truth: Truth):
    """No answer where the error would be very large."""
    return leave_second_half_out(half_far(truth))


def target_right(truth: Truth):
    """The truth with 3 cm of noise, but 2 mm on the target."""
    return truth.tracks(truth.X + truth.noise(np.where(is_target(truth), 0.002, 0.03)[:, None]))


@cheat(target_right, wins={"chamfer@2": "many points where it is sure"})
def target_repeated(truth: Truth):
    """The same with 16 copies of the target's points."""
    once = target_right(truth)
    tracks, anchors = (
        np.concatenate([points, *[points[..., is_target(truth), :]] * 15], axis=-2)
        for points in (once.tracks, once.anchors)
    )
    return replace(once, tracks=tracks, anchors=anchors)


STILL = ("smoothness@2", "accel_error@2", "xv_rpe@2", "xv_pi@1", "reproj_px@2")
"""The columns that are ranked only where points move as the true ones do."""


@cheat(slightly_noisy, greyed=STILL)
def standing_still(truth: Truth):
    """The true first frame, held."""
    return truth.tracks(still(truth))


@cheat(slightly_noisy, greyed=STILL)
def standing_still_with_jitter(truth: Truth):
    """Constant jitter, as large as the true second differences."""
    return truth.tracks(still(truth) + tuned_jitter(truth))


@cheat(slightly_noisy, greyed=STILL)
def straight_drift(truth: Truth):
    """The first frame, moving at a constant speed in the world, as far as the true points do on average."""
    return truth.tracks(drift(truth))


@cheat(slightly_noisy, greyed=STILL)
def drift_with_zigzag(truth: Truth):
    """A drift whose second differences are as large as the true ones."""
    zigzag = acceleration(truth.X) / 4 * (-1.0) ** np.arange(truth.X.shape[1])
    return truth.tracks(drift(truth) + zigzag[:, None, None] * np.array([1.0, 0.0, 0.0]))


DAMPED = "a damped motion, at little more than half of the true displacement,"


@cheat(slightly_noisy, wins=dict.fromkeys(("smoothness@2", "accel_error@2", "xv_rpe@2", "reproj_px@2"), DAMPED))
def little_more_than_half_speed(truth: Truth):
    """The true motion at 52 % of its size, without noise: just enough to be ranked."""
    return truth.tracks(truth.X[:, :1] + 0.52 * (truth.X - truth.X[:, :1]))


def offset_and_jitter(truth: Truth):
    """The truth, each point off by a constant 5 mm, with jitter."""
    return truth.tracks(truth.X + offset(truth) + tuned_jitter(truth))


@cheat(offset_and_jitter, wins={"smoothness@2": "jitter can be tuned to the truth's value"})
def jitter_for_acceleration(truth: Truth):
    """The same, with the true positions averaged over time: the jitter replaces the true second differences."""
    padded = np.pad(truth.X, ((0, 0), (2, 2), (0, 0), (0, 0)), mode="edge")
    smooth = sum(padded[:, n : n + truth.X.shape[1]] for n in range(5)) / 5
    return truth.tracks(smooth + offset(truth) + tuned_jitter(truth))


def sharp_maps(truth: Truth):
    """True point maps, at half the resolution, with a wall behind hands and objects."""
    return point_maps(truth, lambda depth: depth)


@cheat(sharp_maps)
def smeared_maps(truth: Truth):
    """The same maps with smooth edges, which no rule for jumps of the map's own depth finds."""
    return point_maps(truth, lambda depth: cv2.blur(depth, (5, 5)))


def jerk(truth: Truth):
    """Return the mean norm of second differences of each point, (K,)."""
    return np.linalg.norm(np.diff(truth.clip.tracks.world, 2, axis=0), axis=-1).mean(axis=0)


def is_target(truth: Truth):
    return truth.clip.tracks.part == PARTS.index("target")


def uneven(truth: Truth, sigma):
    """Return the truth with 1 cm of noise, and ``sigma`` on every second point."""
    is_second = np.arange(truth.X.shape[2]) % 2 == 1
    return truth.tracks(truth.X + truth.noise(np.where(is_second, sigma, CENTIMETRE)[:, None]))


def leave_second_half_out(prediction: Prediction):
    valid = np.zeros(prediction.tracks.shape[:3], dtype=bool)
    valid[..., ::2] = True
    return replace(prediction, valid=valid)


def still(truth: Truth):
    return np.broadcast_to(truth.X[:, :1], truth.X.shape)


def acceleration(points):
    """Return the mean norm of second differences of (V, N, K, 3) points."""
    return np.linalg.norm(np.diff(points, 2, axis=1), axis=-1).mean()


def tuned_jitter(truth: Truth):
    """Return noise whose second differences are on average as large as the true ones."""
    noise = truth.noise(1.0)
    return noise * acceleration(truth.X) / acceleration(noise)


def offset(truth: Truth):
    """Return a constant error (V, 1, K, 3) of 5 mm per axis for each point and view."""
    return truth.noise(0.005)[:, :1]


def drift(truth: Truth):
    far = np.linalg.norm(truth.X - truth.X[:, :1], axis=-1).max(axis=1).mean()
    directions = np.stack([camera.R @ [1.0, 0.0, 0.0] for camera in truth.clip.cameras])
    return truth.X[:, :1] + far * np.linspace(0, 1, truth.X.shape[1])[:, None, None] * directions[:, None, None]


def point_maps(truth: Truth, edit):
    """Return point maps of the true surfaces at half the resolution, with edited depths."""
    maps = []
    for camera in truth.clip.cameras:
        K = camera.K * [[0.5], [0.5], [1.0]] - [[0.0, 0.0, 0.25], [0.0, 0.0, 0.25], [0.0, 0.0, 0.0]]
        half = replace(camera, K=K, size=(camera.size[0] // 2, camera.size[1] // 2))
        pixels = np.stack(np.meshgrid(*map(np.arange, half.size[::-1])), axis=-1)
        for n in range(truth.clip.frames):
            depth = render_depth_and_part(build_frame_mesh(truth.surfaces, n), half)[0]
            maps.append(unproject(pixels, edit(np.where(np.isfinite(depth), depth, WALL)), K))
    shape = (len(truth.clip.views), truth.clip.frames, *maps[0].shape)
    return Prediction(points=np.stack(maps).reshape(shape).astype(np.float16))


CHEATS = find_cheats(globals())


@pytest.fixture(scope="module")
def board(play):
    return play(CHEATS, "motion")


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.name)
def test_motion_cheat(board, cheat):
    check_cheat(board, cheat)
