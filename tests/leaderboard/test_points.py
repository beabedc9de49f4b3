"""Points of the 4D view: what a page decodes is what the metrics align."""

import base64
import json
import shutil
from dataclasses import replace

import fake_runs
import fake_site
import numpy as np
import pytest

from hoibench.clip import Prediction
from hoibench.clip_file import clip_folder, read_clip
from hoibench.geometry import to_world
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.case import Case
from hoibench.predictions import read_prediction, write_prediction
from hoibench.results.board import build_boards
from hoibench.results.run_folder import read_run
from leaderboard.clip_files import clip_payloads
from leaderboard.media import PredictionMedia
from leaderboard.payloads import to_script
from leaderboard.points import DISTANCE, MAX_POINTS, MISSING, choose_points, collect_scene, distance_curve


@pytest.fixture
def run(run_with_files, tmp_path):
    return shutil.copytree(run_with_files, tmp_path / "run")


def board_of(run):
    (board,) = build_boards([read_run(run)], fake_runs.CARDS)
    return board


def row_of(board, method):
    return next(m for m, row in enumerate(board.rows) if row.method.id == method)


def decode(value):
    """The points of a data file as (V, N, K, 3) metres, NaN where missing, and the largest step in metres."""
    shape = value["views"], value["frames"], value["points"], 3
    steps = np.frombuffer(base64.b64decode(value["xyz"]), "<u2").reshape(shape)
    low, high = np.array(value["box"])
    xyz = low + steps / (MISSING - 1) * (high - low)
    return np.where(steps == MISSING, np.nan, xyz), value["step_mm"] / 1000


def expected_points(motion, chosen):
    """The aligned points in the world, one by one."""
    truth = motion.truth
    v, n, _, _ = truth.points.shape
    out = np.full((v, n, len(chosen), 3), np.nan)
    for i in range(v):
        for j in range(n):
            for p, k in enumerate(chosen):
                if motion.pred.valid[i, j, k] and truth.visible[i, 0, k]:
                    camera = truth.cameras[i]
                    out[i, j, p] = to_world(motion.pred.xyz[i, j, k : k + 1], camera.R, camera.t)[0]
    return out


def to_point_maps(run, clip):
    """Let svimo have point maps: the depth of a wall that every camera sees, twice too large."""
    folder = run / "predictions" / "svimo" / "seed-0" / clip.id
    y, x = np.mgrid[: clip.size[0], : clip.size[1]]
    maps = np.stack([(x - 47.5) / 110, (y - 31.5) / 110, np.ones_like(x, float)], axis=-1) * 1.8
    points = np.broadcast_to(maps, (fake_site.VIEWS, fake_site.FRAMES, *maps.shape)).astype(np.float16)
    write_prediction(folder, Prediction(points=points, scale="per_view"), fake_site.FPS)


@pytest.mark.parametrize("pairing", ["query", "anchor", "oracle-projection"])
def test_the_page_has_the_points_that_metrics_align(run, pairing):
    method = "syncmv4d" if pairing == "query" else "svimo"
    clip = read_clip(clip_folder(run, fake_site.CLIPS[1]))
    if pairing == "oracle-projection":
        to_point_maps(run, clip)
    board = board_of(run)
    m = row_of(board, method)
    rows = [replace(row, method=row.method.model_copy(update={"pairing": pairing})) for row in board.rows]
    board = replace(board, rows=tuple(rows))
    scene = collect_scene(board, 1)
    stored = read_prediction(run / "predictions" / method / "seed-0" / clip.id)
    motion = align_motion(Case(replace(stored, video=None), clip, pairing))
    chosen = choose_points(motion.truth)
    found, step = decode(scene.payloads[scene.rows[m].points])
    assert np.isfinite(found).any()
    np.testing.assert_allclose(found, expected_points(motion, chosen), atol=step)
    true, step = decode(scene.payloads[scene.truth])
    np.testing.assert_allclose(true[0], clip.tracks.world[:, chosen], atol=step)
    assert step < 1e-3
    words = {"query": "not aligned", "anchor": "one scale ", "oracle-projection": "a scale for each view: "}[pairing]
    assert scene.rows[m].alignment.startswith(words)
    if pairing == "anchor":
        assert f"{motion.alignment.scales[0]:.3g} for all views; nearest track" in scene.rows[m].alignment
    assert scene.rows[m].curves == {DISTANCE: pytest.approx(plain_curve(motion), rel=1e-12)}


def plain_curve(motion):
    curve = []
    for n in range(motion.truth.points.shape[1]):
        distances = [
            100 * np.sqrt(((motion.pred.xyz[v, n, k] - motion.truth.points[v, n, k]) ** 2).sum())
            for v, k in np.ndindex(motion.truth.points.shape[0], motion.truth.points.shape[2])
            if motion.truth.mask[v, n, k] and motion.pred.valid[v, n, k]
        ]
        curve.append(sum(distances) / len(distances) if distances else None)
    return curve


@pytest.fixture
def case(run):
    id = fake_site.CLIPS[0]
    stored = read_prediction(run / "predictions" / "syncmv4d" / "seed-0" / id)
    return Case(replace(stored, video=None), read_clip(clip_folder(run, id)))


def test_a_frame_without_predictions_has_no_distance(case):
    valid = np.ones(case.prediction.tracks.shape[:3], bool)
    valid[:, 3] = False
    curve = distance_curve(align_motion(replace(case, prediction=replace(case.prediction, valid=valid))))
    assert [n for n, value in enumerate(curve) if value is None] == [3]


def test_what_is_missing_is_said(run):
    board = board_of(run)
    (run / "predictions" / "svimo" / "seed-0" / fake_site.CLIPS[0] / "tracks.npz").write_bytes(b"damaged")
    (run / "clips" / fake_site.CLIPS[1] / "clip.json").unlink()
    scenes = [collect_scene(board, c) for c in (0, 1)]
    assert scenes[0].rows[row_of(board, "wan2.2")].alignment == "no points: the method gives no points"
    assert scenes[0].rows[row_of(board, "svimo")].alignment.startswith("no points: ")
    assert len(scenes[0].payloads) == 2  # the truth and syncmv4d
    assert (scenes[1].clip, scenes[1].truth, scenes[1].payloads) == (None, None, {})
    assert "hoibench score RUN" in scenes[1].rows[row_of(board, "syncmv4d")].alignment


@pytest.mark.parametrize("far", [1e200, 1e308])
def test_points_too_far_to_be_shown_are_left_out(run, far):
    path = run / "clips" / fake_site.CLIPS[0] / "clip.json"
    clip = json.loads(path.read_text())
    clip["views"][0]["t"] = [far, far, far]
    path.write_text(json.dumps(clip))
    for _, value in clip_payloads(board_of(run), "b1", {(m, 0): PredictionMedia() for m in range(3)}):
        to_script("b1", value)  # a ValueError if a number is not finite


def test_at_most_so_many_points_are_shown(case):
    truth = align_motion(case).truth
    many = replace(truth, visible=np.ones((1, 2, 5000), bool))
    chosen = choose_points(many)
    assert len(set(chosen.tolist())) == MAX_POINTS
    assert (choose_points(truth) % 7 != 0).all()  # every seventh point is hidden
