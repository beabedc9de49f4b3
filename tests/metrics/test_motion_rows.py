"""Rows of the motion metrics: views, pairs, parts, pairing, alignment, coverage, and missing values."""

from dataclasses import replace

import numpy as np
import pytest

from hoibench.clip import PARTS, Prediction
from hoibench.geometry import unproject
from hoibench.metric_card import all_cards
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Failed, NotApplicable, Undefined
from hoibench.metrics.pairing import pair_prediction
from hoibench.metrics.rpe import rpe
from hoibench.metrics.true_tracks import build_true_tracks, scene_size

CARDS = [card for card in all_cards().values() if card.group.startswith("motion/")]
HIDDEN = ("rpe_all@2", "rpe_all@1", "mv_rpe_scene_all@2")
VIEWS = (
    *("rpe@2", "rpe@1", "pi@1", "pi_010@1", "pi_005@1", "mv_rpe_scene@2", "mv_pi_scene@1"),
    *("mv_rpe_world@2", "mv_rpe_world@1", "mv_pi_world@1"),
)
PAIRS = ("xv_rpe@2", "xv_pi@1")
every_metric = pytest.mark.parametrize("metric", [card.id for card in CARDS if card.id not in HIDDEN])


def reorder(prediction, order):
    """Return the prediction with its tracks in another order, to be paired by anchors."""
    return replace(
        prediction,
        tracks=prediction.tracks[:, :, order],
        anchors=prediction.anchors[:, order],
        valid=prediction.valid[..., order],
    )


def test_all_motion_metrics_of_the_protocol_have_cards():
    assert [card.id for card in CARDS] == [
        *("rpe@2", "rpe@1", "pi@1", "pi_010@1", "pi_005@1", "rpe_all@2", "rpe_all@1"),
        *("chamfer@2", "chamfer_sq@2", "chamfer_paper@1", "chamfer_paper_sq@1"),
        *("smoothness@2", "smoothness@1", "accel_error@2", "motion_following@1", "scale@1"),
        *("mv_rpe_scene@2", "mv_pi_scene@1", "mv_rpe_scene_all@2", "mv_rpe_world@2", "mv_rpe_world@1"),
        *("mv_pi_world@1", "xv_rpe@2", "xv_pi@1", "reproj_px@2"),
    ]
    assert {card.id for card in CARDS if card.is_ranked} == {
        *("rpe@2", "pi@1", "pi_010@1", "pi_005@1", "chamfer@2", "smoothness@2", "accel_error@2"),
        *("mv_rpe_scene@2", "mv_pi_scene@1", "xv_rpe@2", "xv_pi@1", "reproj_px@2"),
    }
    assert {card.id for card in CARDS if card.primary} == {"mv_rpe_scene@2", "chamfer@2"}


def test_the_literal_metrics_of_the_paper_are_in_its_set_alone_and_unranked():
    literal = {card.id for card in CARDS if card.sets == ("paper",)}
    assert literal == {
        *("rpe@1", "rpe_all@1", "chamfer_paper@1", "chamfer_paper_sq@1", "smoothness@1", "mv_rpe_world@1"),
    }
    assert not any(all_cards()[name].is_ranked or all_cards()[name].companions for name in literal)
    assert {card.id for card in CARDS if "paper" in card.sets} == literal | {"pi@1", "mv_pi_world@1"}
    assert all("offline" in card.sets for card in CARDS if card.id not in literal)


@pytest.mark.parametrize(
    "metric", [card.id for card in CARDS if card.cap is not None and card.id not in (*HIDDEN, "smoothness@1")]
)
def test_no_answer_scores_the_cap_and_nothing_scores_worse(metric, toy_clip, predict, measure_headline):
    """A prediction without a valid point scores the cap, and one that is far off no worse; the paper's literal metrics have no such bound."""
    card, prediction = all_cards()[metric], predict(toy_clip)
    caps = {"scene_size": scene_size(toy_clip.tracks.world), "diagonal": 0.1 * np.hypot(128, 192)}
    silent = measure_headline(metric, replace(prediction, valid=np.zeros_like(prediction.valid)), toy_clip)
    cap = caps.get(card.cap, card.cap)
    assert silent.cap == (pytest.approx(cap) if isinstance(card.cap, str) else None)
    assert (silent.details["ratio"] if card.direction == "ratio" else silent.value) == pytest.approx(cap)
    sign = np.where(np.arange(toy_clip.frames) % 2, 50.0, -50.0).astype(np.float32)[:, None, None]
    away = replace(
        prediction, tracks=prediction.tracks + sign * np.array([1.0, 2.0, 3.0], np.float32)[:, None, None, None]
    )
    if card.is_ranked and card.direction == "lower":
        assert measure_headline(metric, away, toy_clip).value == pytest.approx(cap)


@every_metric
def test_values_are_within_the_bounds_of_the_card_and_rows_give_pairing_and_alignment(
    metric, toy_clip, predict, measure
):
    low, high = all_cards()[metric].bounds
    for name in ("ground_truth", "gt_noise_1cm", "random"):
        for row in measure(metric, predict(toy_clip, name), toy_clip):
            assert row.status == "ok" or (metric, row.part) == (
                "motion_following@1",
                "target",
            )  # the toy's target is at rest
            if row.status != "ok":
                continue
            assert low is None or low <= row.value
            assert high is None or row.value <= high
            assert (row.pairing, row.alignment, row.scale) == ("query", "none", 1.0)


@pytest.mark.parametrize("metric", VIEWS)
def test_the_headline_is_the_mean_of_its_views(metric, toy_clip, predict, measure):
    *views, headline = measure(metric, predict(toy_clip, "random"), toy_clip)
    assert [row.view for row in views] == ["left", "center", "right"]
    assert headline.value == pytest.approx(np.mean([row.value for row in views]))
    assert (headline.n_scored, headline.n_expected, headline.coverage) == (27, 27, 1.0)
    assert [(row.n_scored, row.n_expected) for row in views] == [(9, 9)] * 3


@pytest.mark.parametrize("metric", PAIRS)
def test_the_headline_is_the_mean_of_its_ordered_pairs(metric, toy_clip, predict, measure):
    *pairs, headline = measure(metric, predict(toy_clip, "random"), toy_clip)
    names = ["left|center", "left|right", "center|left", "center|right", "right|left", "right|center"]
    assert [row.pair for row in pairs] == names
    assert headline.value == pytest.approx(np.mean([row.value for row in pairs]))
    assert (headline.n_scored, headline.n_expected) == (54, 54)


@pytest.mark.parametrize(
    ("metric", "bound"),
    [("pi@1", 0.25), ("pi_010@1", 0.10), ("pi_005@1", 0.05), ("mv_pi_scene@1", None), ("xv_pi@1", None)],
)
def test_inliers_are_points_within_the_bound_in_the_name(metric, bound, toy_clip, predict, measure_headline):
    """A prediction scaled by 1 + e has a relative error of e: all points are within a bound above e, none within one below."""
    prediction = predict(toy_clip)
    if bound is not None:
        values = [
            measure_headline(
                metric, replace(prediction, tracks=np.float32(1 + share * bound) * prediction.tracks), toy_clip
            )
            for share in (0.98, 1.02)
        ]
        assert [row.value for row in values] == [100.0, 0.0]
        assert {row.details["threshold"] for row in values} == {bound}
    size = scene_size(toy_clip.tracks.world)
    shift = np.float32([0.0, 0.0, size])
    if metric == "mv_pi_scene@1":  # every point has an error of a share of the scene's size
        off = [
            measure_headline(
                metric, replace(prediction, tracks=prediction.tracks + np.float32(share) * shift), toy_clip
            )
            for share in (0.24, 0.26)
        ]
        assert [row.value for row in off] == [100.0, 0.0]
    if metric == "xv_pi@1":  # only one view has an error: of six pairs, two agree
        alone = np.array([1, 0, 0])[:, None, None, None]
        off = [
            measure_headline(
                metric,
                replace(prediction, tracks=(prediction.tracks + share * alone * shift).astype(np.float32)),
                toy_clip,
            )
            for share in (0.24, 0.26)
        ]
        assert [row.value for row in off] == [100.0, pytest.approx(100 / 3)]


def test_reprojection_has_one_median_per_pair_and_one_for_the_clip(toy_clip, predict, measure):
    *pairs, headline = measure("reproj_px@2", predict(toy_clip, "random"), toy_clip)
    assert len(pairs) == 6
    assert min(row.value for row in pairs) <= headline.value <= max(row.value for row in pairs)
    assert (headline.n_scored, headline.n_expected) == (54, 54)


def test_chamfer_has_views_and_parts(toy_clip, predict, measure):
    rows = measure("chamfer@2", predict(toy_clip, "gt_noise_1cm"), toy_clip)
    assert [(row.view, row.part) for row in rows] == [
        *((view, None) for view in ("left", "center", "right")),
        *((None, part) for part in PARTS),
        (None, None),
    ]
    headline = rows[-1]
    assert headline.details["accuracy"] + headline.details["completeness"] == pytest.approx(headline.value)
    assert (headline.details["frames_drawn"], headline.details["frames_empty"]) == (0, 0)


@pytest.mark.parametrize("metric", ["chamfer@2", "chamfer_sq@2"])
def test_the_seed_of_the_case_determines_which_points_are_drawn(metric, toy_clip, predict, measure_headline):
    """Each anchor has two tracks at a distance of 2 cm; only the seed decides which of them are drawn."""
    prediction = predict(toy_clip)
    twice = replace(
        prediction,
        tracks=np.concatenate([prediction.tracks, prediction.tracks + np.float32([0.02, 0.0, 0.0])], axis=2),
        anchors=np.concatenate([prediction.anchors, prediction.anchors], axis=1),
        valid=None,
    )
    one, again, other = (measure_headline(metric, twice, toy_clip, pairing="anchor", seed=seed) for seed in (0, 0, 1))
    assert one.details["frames_drawn"] == 27
    assert one.value == again.value != other.value
    same = [measure_headline(metric, prediction, toy_clip, seed=seed).value for seed in (0, 1)]
    assert same[0] == same[1]


@pytest.mark.parametrize("metric", ["chamfer@2", "chamfer_sq@2"])
@pytest.mark.parametrize("name", ["ground_truth", "gt_shuffled"])
def test_perfect_points_score_zero_with_the_hidden_ones_and_without(metric, name, toy_clip, predict, measure):
    prediction = predict(toy_clip, name)
    every = measure(metric, replace(prediction, valid=None), toy_clip)
    assert max(row.value for row in every if row.part is None) < 1e-6
    visible = measure(metric, predict(toy_clip), toy_clip)
    assert max(row.value for row in visible) < 1e-6


def test_points_that_were_not_recorded_are_no_truth_to_be_near_to(toy_clip, predict, measure_headline):
    """The tool is not recorded after frame 4: a perfect method that still predicts it there, where it was last, pays for that."""
    recorded = np.ones(toy_clip.tracks.world.shape[:2], dtype=bool)
    recorded[5:, toy_clip.tracks.part == 2] = False
    tracks = replace(toy_clip.tracks, recorded=recorded, visible=toy_clip.tracks.visible & recorded)
    clip = replace(toy_clip, tracks=tracks)
    everything = replace(predict(clip), valid=None)
    answered = replace(everything, valid=np.broadcast_to(recorded, everything.tracks.shape[:3]))
    assert measure_headline("chamfer@2", answered, clip).value < 1e-6
    assert measure_headline("chamfer@2", everything, clip).value > 1e-3


def test_the_literal_chamfer_counts_hidden_points_in_both_directions(toy_clip, predict, measure):
    prediction = predict(toy_clip)
    every = measure("chamfer_paper@1", replace(prediction, valid=None), toy_clip)
    assert [row.view for row in every] == ["left", "center", "right", None]
    assert every[-1].value < 1e-6
    assert measure("chamfer_paper@1", prediction, toy_clip)[-1].value > 1e-3


def test_an_error_of_one_part_shows_only_in_the_row_of_that_part(toy_clip, predict, measure):
    prediction = predict(toy_clip)
    off = np.where(toy_clip.tracks.part == 2, 0.1, 0.0)[:, None]
    rows = measure("chamfer@2", replace(prediction, tracks=prediction.tracks + off), toy_clip)
    parts = {row.part: row.value for row in rows if row.part}
    assert parts.pop("tool") > 0.05
    assert max(parts.values()) < 1e-6


@pytest.mark.parametrize("metric", ["chamfer@2", "chamfer_sq@2"])
@pytest.mark.parametrize("scale", ["shared", "per_view"])
def test_chamfer_compares_clouds_at_the_fitted_scale(metric, scale, toy_clip, predict, measure):
    prediction, factors = (
        predict(toy_clip),
        np.array([0.5, 0.8, 1.25] if scale == "per_view" else [0.5] * 3, dtype=np.float32),
    )
    rows = measure(
        metric, replace(prediction, tracks=prediction.tracks * factors[:, None, None, None], scale=scale), toy_clip
    )
    assert max(row.value for row in rows) < 1e-6


def test_an_unpaired_track_belongs_to_no_part(toy_clip, predict, measure):
    """The last track has a large error and an anchor outside the image; a tool point has no anchor."""
    prediction = predict(toy_clip)
    anchors = np.concatenate([prediction.anchors, np.full((3, 1, 2), 1e4)], axis=1)
    anchors[:, 2] = -1e4
    stray = replace(
        prediction,
        tracks=np.concatenate([prediction.tracks, prediction.tracks[:, :, :1] + 3.0], axis=2),
        anchors=anchors,
        valid=np.concatenate([prediction.valid, np.ones_like(prediction.valid[..., :1])], axis=2),
    )
    rows = measure("chamfer@2", stray, toy_clip, pairing="anchor")
    parts = {row.part: row.value for row in rows if row.part}
    assert max(parts.values()) < 0.05
    assert rows[-1].value > 0.05


def test_a_part_that_is_never_visible_is_undefined(toy_clip, predict, measure):
    visible = toy_clip.tracks.visible & (toy_clip.tracks.part != 2)
    clip = replace(toy_clip, tracks=replace(toy_clip.tracks, visible=visible))
    rows = {row.part: row for row in measure("chamfer@2", predict(clip), clip) if row.part}
    assert (rows["tool"].status, rows["tool"].n_scored) == ("undefined", 0)
    assert rows["target"].status == "ok"


@every_metric
def test_anchor_pairing_gives_the_same_value_for_any_order_of_tracks(metric, toy_clip, predict, measure_headline):
    prediction = predict(toy_clip, "gt_noise_1cm")
    order = np.random.default_rng(0).permutation(48)
    ordered = measure_headline(metric, prediction, toy_clip)
    found = measure_headline(metric, reorder(prediction, order), toy_clip, pairing="anchor")
    assert found.value == pytest.approx(ordered.value, rel=1e-9)
    assert (found.pairing, found.coverage) == ("anchor", ordered.coverage)


def test_the_pairing_floor_is_given_for_inexact_pairings(toy_clip, predict, measure_headline):
    prediction = predict(toy_clip)
    near = replace(prediction, anchors=prediction.anchors + 0.5)
    for metric in (*VIEWS, *PAIRS, "reproj_px@2", "smoothness@2", "accel_error@2"):
        assert "pairing_floor" not in measure_headline(metric, prediction, toy_clip).details
        row = measure_headline(metric, near, toy_clip, pairing="anchor")
        assert row.details["pairing_floor"] >= 0
    assert (
        "pairing_floor" not in measure_headline("chamfer@2", near, toy_clip, pairing="anchor").details
    )  # clouds are unpaired
    smooth = measure_headline(
        "smoothness@2", near, toy_clip, pairing="anchor"
    ).details  # half a pixel aside moves nearly as the truth does
    assert smooth["pairing_floor"] == pytest.approx(smooth["truth"], rel=0.01)
    # Half a pixel each way at 1.6 m and 300 px: about 4 mm, 0.24 % of the distance.
    assert measure_headline("rpe@2", near, toy_clip, pairing="anchor").details["pairing_floor"] == pytest.approx(
        0.24, rel=0.15
    )


def point_maps(clip, depth):
    rows, columns = np.mgrid[:128, :192]
    grid = np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(float)
    maps = [unproject(grid, np.full(len(grid), depth), c.K).reshape(128, 192, 3) for c in clip.cameras]
    return Prediction(points=np.repeat(np.stack(maps)[:, None], clip.frames, axis=1).astype(np.float16))


@every_metric
def test_point_maps_are_scored_by_oracle_projection(metric, toy_clip, measure_headline):
    row = measure_headline(metric, point_maps(toy_clip, 1.5), toy_clip, pairing="oracle-projection")
    assert row.status == "ok"
    assert row.pairing == "oracle-projection"
    if metric not in ("scale@1", "smoothness@1", "motion_following@1", "chamfer_paper@1", "chamfer_paper_sq@1"):
        assert row.details["pairing_floor"] >= 0
        assert row.coverage == 1.0


@pytest.mark.parametrize("metric", ["rpe@2", "mv_rpe_scene@2", "chamfer@2", "xv_rpe@2", "smoothness@2"])
def test_points_at_edges_of_the_true_depth_do_not_count_for_point_maps_alone(
    metric, toy_clip, predict, measure_headline
):
    """Every third point is at an edge in every frame: the map's value there changes nothing, and tracks are scored on all points."""
    edge = np.zeros_like(toy_clip.tracks.visible)
    edge[:, :, ::3] = True
    known = replace(toy_clip, tracks=replace(toy_clip.tracks, depth_edge=edge))
    hidden = replace(toy_clip, tracks=replace(toy_clip.tracks, visible=toy_clip.tracks.visible & ~edge))
    rows = [
        measure_headline(metric, point_maps(toy_clip, 1.5), clip, pairing="oracle-projection")
        for clip in (known, hidden, toy_clip)
    ]
    assert (rows[0].value, rows[0].coverage) == (pytest.approx(rows[1].value, rel=1e-12), 1.0)
    assert rows[0].value != rows[2].value
    tracks = predict(toy_clip, "gt_noise_1cm")
    assert measure_headline(metric, tracks, known).value == measure_headline(metric, tracks, toy_clip).value


@pytest.mark.parametrize("scale", ["metric", "shared"])
def test_a_clip_whose_points_are_all_at_edges_is_undefined_for_point_maps(scale, toy_clip, measure):
    """The truth decides, not the method: a fit without points would be its failure."""
    clip = replace(toy_clip, tracks=replace(toy_clip.tracks, depth_edge=np.ones_like(toy_clip.tracks.visible)))
    with pytest.raises(Undefined, match="at an edge of the true depth"):
        measure("rpe@2", replace(point_maps(clip, 1.5), scale=scale), clip, pairing="oracle-projection")


def test_a_perfect_point_map_scores_its_floor_and_loses_no_point_at_its_own_edges(toy_clip, measure_headline):
    """The depth of the nearest true point around each pixel: edges everywhere, every sample valid."""
    row = measure_headline("rpe@2", perfect_maps(toy_clip), toy_clip, pairing="oracle-projection")
    assert row.coverage == 1.0
    assert row.value == pytest.approx(row.details["pairing_floor"], abs=0.05)


def perfect_maps(clip):
    """Point maps with the depth of each visible true point at the pixel that it is sampled at, and 1.5 m elsewhere."""
    truth = build_true_tracks(clip)
    depth = np.full((len(clip.views), clip.frames, 128, 192), 1.5)
    for v, n, k in np.argwhere(truth.mask):
        column, row = np.floor(truth.pixels[v, n, k] + 0.5).astype(int)
        depth[v, n, row, column] = truth.points[v, n, k, 2]
    rows, columns = np.mgrid[:128, :192]
    grid = np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(float)
    maps = [
        [unproject(grid, d.ravel(), c.K).reshape(128, 192, 3) for d in of_view]
        for of_view, c in zip(depth, clip.cameras, strict=True)
    ]
    return Prediction(points=np.array(maps).astype(np.float16))


def test_chamfer_uses_point_maps_for_oracle_projection_even_with_tracks(toy_clip, predict, measure_headline):
    both = replace(
        point_maps(toy_clip, 1.5),
        tracks=predict(toy_clip).tracks,
        anchors=predict(toy_clip).anchors,
        valid=predict(toy_clip).valid,
    )
    alone = measure_headline("chamfer@2", point_maps(toy_clip, 1.5), toy_clip, pairing="oracle-projection").value
    assert measure_headline("chamfer@2", both, toy_clip, pairing="oracle-projection").value == alone > 0.01
    assert measure_headline("chamfer@2", both, toy_clip).value < 1e-6


def test_rows_give_the_scale_per_clip_or_per_view(toy_clip, predict, measure_headline, measure):
    prediction, factors = predict(toy_clip), np.array([0.5, 0.8, 1.25], dtype=np.float32)
    scaled = prediction.tracks * factors[:, None, None, None]
    for scale, tracks in (("metric", prediction.tracks), ("shared", 0.5 * prediction.tracks), ("per_view", scaled)):
        row = measure_headline("mv_rpe_scene@2", replace(prediction, tracks=tracks, scale=scale), toy_clip)
        assert row.value == pytest.approx(0, abs=1e-4)
    rows = measure("rpe@2", replace(prediction, tracks=scaled, scale="per_view"), toy_clip)
    assert [row.scale for row in rows] == [*(pytest.approx(1 / f) for f in factors), None]
    assert {row.alignment for row in rows} == {"per_view"}
    assert rows[-1].details["scales"] == {row.view: row.scale for row in rows[:-1]}
    moved = replace(prediction, tracks=scaled + np.float32([0.1, 0.0, 0.2]), scale="scale_shift")
    for metric in ("rpe@2", "chamfer@2", "mv_rpe_scene@2"):
        *_, row = measure(metric, moved, toy_clip)
        assert (row.alignment, row.scale, row.value) == ("scale_shift", None, pytest.approx(0, abs=1e-4))
        assert row.details["scales"] == pytest.approx(rows[-1].details["scales"], rel=1e-5)
        assert row.details["shifts"]["left"] == pytest.approx([-0.2, 0.0, -0.4], abs=1e-5)
    halved = measure("rpe@2", replace(prediction, tracks=0.5 * prediction.tracks, scale="shared"), toy_clip)
    assert [row.scale for row in halved] == [pytest.approx(2.0)] * 4
    shared = measure("rpe@2", replace(prediction, tracks=scaled, scale="shared"), toy_clip)
    assert len({row.scale for row in shared}) == 1
    assert shared[-1].value > 10
    assert measure_headline("xv_rpe@2", replace(prediction, tracks=scaled, scale="shared"), toy_clip).value > 10


def test_the_scale_metric_applies_to_metric_output_only(toy_clip, predict, measure):
    prediction = predict(toy_clip)
    scaled = prediction.tracks * np.array([0.5, 1.0, 2.0], dtype=np.float32)[:, None, None, None]
    *views, headline = measure("scale@1", replace(prediction, tracks=scaled), toy_clip)
    assert [row.value for row in views] == [pytest.approx(f, rel=1e-6) for f in (2.0, 1.0, 0.5)]
    assert 0.5 < headline.value < 2.0
    for scale in ("shared", "per_view"):
        with pytest.raises(NotApplicable, match=f"declares its scale {scale}"):
            measure("scale@1", replace(prediction, scale=scale), toy_clip)
    with pytest.raises(Undefined, match="expected a positive number"):
        measure("scale@1", replace(prediction, tracks=-prediction.tracks), toy_clip)
    few = np.zeros_like(prediction.valid)
    few[tuple(np.argwhere(prediction.valid)[:9].T)] = True
    with pytest.raises(Undefined, match="9 true points have a valid prediction; fitting a scale needs at least 10"):
        measure("scale@1", replace(prediction, valid=few), toy_clip)


def test_coverage_is_the_share_of_true_points_with_a_prediction(toy_clip, predict, measure_headline, measure):
    prediction = predict(toy_clip)
    keep = np.random.default_rng(0).random(prediction.valid.shape) < 0.6
    m = build_true_tracks(toy_clip).mask
    half = replace(prediction, valid=prediction.valid & keep)
    rows = measure("rpe@2", half, toy_clip)
    assert rows[-1].coverage == (m & keep).sum() / m.sum()
    assert [row.coverage for row in rows[:-1]] == [(m & keep)[v].sum() / m[v].sum() for v in range(3)]
    assert rows[-1].value == pytest.approx(rpe(prediction.tracks, build_true_tracks(toy_clip).points, m, half.valid))
    triples = (m & keep)[:, :-2] & (m & keep)[:, 1:-1] & (m & keep)[:, 2:]
    expected = m[:, :-2] & m[:, 1:-1] & m[:, 2:]
    for metric in ("smoothness@2", "accel_error@2"):
        assert measure_headline(metric, half, toy_clip).coverage == triples.sum() / expected.sum()
    both = m & keep
    pairs = [(m[i] & m[j], both[i] & both[j]) for i in range(3) for j in range(3) if i != j]
    share = sum(b.sum() for _, b in pairs) / sum(a.sum() for a, _ in pairs)
    assert measure_headline("xv_rpe@2", half, toy_clip).coverage == pytest.approx(share)


def test_invalid_points_are_ignored(toy_clip, predict, measure_headline):
    prediction = predict(toy_clip, "gt_noise_1cm")
    dirty = replace(prediction, tracks=np.where(prediction.valid[..., None], prediction.tracks, np.nan))
    for card in CARDS:
        if card.id not in HIDDEN:
            assert (
                measure_headline(card.id, dirty, toy_clip).value
                == measure_headline(card.id, prediction, toy_clip).value
            )


@pytest.mark.parametrize("metric", HIDDEN)
def test_hidden_points_are_scored_only_if_predicted(metric, toy_clip, predict, measure_headline, measure):
    prediction = predict(toy_clip, "gt_noise_1cm")
    with pytest.raises(NotApplicable, match="the method predicts no hidden points"):
        measure(metric, prediction, toy_clip)
    everywhere = replace(prediction, valid=None)
    row = measure_headline(metric, everywhere, toy_clip)
    assert row.coverage == 1.0
    # Hidden points have the same noise as visible ones here; dropping some of them raises the error.
    assert row.value == pytest.approx(measure_headline(metric.replace("_all", ""), everywhere, toy_clip).value, rel=0.1)
    some = np.random.default_rng(0).random(prediction.valid.shape) < 0.5
    assert measure_headline(metric, replace(prediction, valid=prediction.valid | some), toy_clip).value > row.value


@pytest.mark.parametrize("metric", HIDDEN)
def test_hidden_points_count_if_visible_in_frame_0_and_recorded(metric, toy_clip, predict, measure):
    """Points 0 to 3 have an error of a metre: two are hidden in frame 0, and two are not recorded after it."""
    visible = np.ones_like(toy_clip.tracks.visible)
    visible[:, 3:, ::2] = False
    visible[:, 0, :2] = False
    visible[:, 1:, 2:4] = False
    recorded = np.ones(toy_clip.tracks.world.shape[:2], dtype=bool)
    recorded[1:, 2:4] = False
    clip = replace(toy_clip, tracks=replace(toy_clip.tracks, visible=visible, recorded=recorded))
    prediction = replace(predict(clip), valid=None)
    tracks = prediction.tracks.copy()
    tracks[:, :, :2] += 1.0
    tracks[:, 1:, 2:4] += 1.0
    rows = measure(metric, replace(prediction, tracks=tracks), clip)
    assert max(row.value for row in rows) < 1e-4
    tracks[:, 5, 4] += 1.0  # hidden, visible in frame 0, recorded
    assert measure(metric, replace(prediction, tracks=tracks), clip)[-1].value > 0.1


@pytest.mark.parametrize(("off", "coverage"), [(1.9, 1.0), (2.1, 0.0)])
def test_the_anchor_radius_is_a_share_of_the_image_height(toy_clip, predict, off, coverage):
    wide = tuple(replace(view, camera=replace(view.camera, size=(480, 960))) for view in toy_clip.views)
    clip = replace(toy_clip, views=wide, size=(480, 960))
    prediction = predict(clip)
    few = np.argsort(prediction.anchors[0, :, 0])[::47]  # far from each other, so that no anchor is near another point
    kept = np.isin(np.arange(48), few)
    clip = replace(clip, tracks=replace(clip.tracks, visible=np.broadcast_to(kept, clip.tracks.visible.shape)))
    shifted = replace(prediction, anchors=prediction.anchors + np.float32([off, 0.0]), valid=None)
    found = pair_prediction(shifted, build_true_tracks(clip), "anchor").pred.valid[:, :, kept]
    assert found.mean() == coverage


@every_metric
def test_a_negative_scale_or_too_few_points_fail(metric, toy_clip, predict, measure):
    prediction = predict(toy_clip)
    wanted = NotApplicable if metric == "scale@1" else Failed
    for bad in (
        replace(prediction, tracks=-prediction.tracks),
        replace(prediction, valid=np.zeros_like(prediction.valid)),
    ):
        for scale in ("shared", "per_view", "scale_shift"):
            with pytest.raises(wanted):
                measure(metric, replace(bad, scale=scale), toy_clip)


@every_metric
def test_an_invisible_truth_is_undefined(metric, toy_clip, predict, measure):
    visible = np.zeros_like(toy_clip.tracks.visible)
    with pytest.raises(Undefined):
        measure(
            metric,
            replace(predict(toy_clip), valid=None),
            replace(toy_clip, tracks=replace(toy_clip.tracks, visible=visible)),
        )


@every_metric
def test_missing_tracks_or_truth_are_not_applicable(metric, toy_clip, predict, measure):
    with pytest.raises(NotApplicable):
        measure(metric, predict(toy_clip), replace(toy_clip, tracks=None))
    with pytest.raises(NotApplicable):
        measure(metric, Prediction(video=np.zeros((3, 9, 8, 8, 3), dtype=np.uint8)), toy_clip)


def test_a_view_without_visible_points_is_dropped_with_a_reason(toy_clip, predict, measure):
    visible = toy_clip.tracks.visible.copy()
    visible[1, 0] = False
    clip = replace(toy_clip, tracks=replace(toy_clip.tracks, visible=visible))
    for metric in (*VIEWS, "chamfer@2", "smoothness@2", "accel_error@2", "scale@1"):
        rows = measure(metric, replace(predict(clip), valid=None), clip)
        center = next(row for row in rows if row.view == "center")
        assert center.status == "undefined"
        assert center.reason
        assert rows[-1].status == "ok"
    for metric in (*PAIRS, "reproj_px@2"):
        rows = measure(metric, replace(predict(clip), valid=None), clip)
        assert [row.pair for row in rows if row.status == "ok"] == ["left|right", "right|left", None]
        assert [row.n_scored for row in rows] == [0, 9, 0, 0, 9, 0, 18]
        assert [row.n_expected for row in rows] == [9] * 6 + [54]


def test_a_view_without_predictions_moves_the_smoothness_ratio_away_from_one(toy_clip, predict, measure):
    prediction = predict(toy_clip)
    valid = prediction.valid.copy()
    valid[1] = False
    rows = measure("smoothness@2", replace(prediction, valid=valid), toy_clip)
    assert [row.coverage for row in rows] == pytest.approx([1, 0, 1, 2 / 3], abs=0.05)
    assert [row.details["ratio"] for row in rows[:3]] == pytest.approx([1, 0, 1], abs=1e-4)
    assert rows[-1].details["ratio"] > 2
    assert measure("smoothness@1", replace(prediction, valid=valid), toy_clip)[-1].value == pytest.approx(
        np.mean([rows[0].details["truth"], rows[2].details["truth"]]), rel=1e-4
    )


def test_one_view_has_no_pairs(toy_clip, predict, measure):
    clip = replace(
        toy_clip, views=toy_clip.views[:1], tracks=replace(toy_clip.tracks, visible=toy_clip.tracks.visible[:1])
    )
    prediction = predict(clip)
    for metric in (*PAIRS, "reproj_px@2"):
        with pytest.raises(NotApplicable, match="only one view"):
            measure(metric, prediction, clip)


@pytest.mark.parametrize("metric", ["smoothness@2", "accel_error@2", "rpe@2", "mv_rpe_scene@2", "xv_rpe@2"])
def test_moving_cameras_add_no_error(metric, build_clip, predict, measure_headline):
    clip = build_clip(moving=True)
    row = measure_headline(metric, predict(clip), clip)
    if metric == "smoothness@2":
        still = build_clip()
        assert row.details["truth"] == pytest.approx(
            measure_headline(metric, predict(still), still).details["truth"], rel=0.1
        )
        assert row.details["ratio"] == pytest.approx(1, abs=1e-4)
    else:
        assert row.value < 1e-4


@pytest.mark.parametrize("fps", [30.0, 8.1, 7.9])
def test_second_differences_need_eight_frames_per_second(build_clip, predict, fps, measure):
    clip = build_clip(fps=fps)
    for metric in ("smoothness@2", "accel_error@2"):
        with pytest.raises(NotApplicable, match=f"{fps:g} fps"):
            measure(metric, predict(clip), clip)


def test_each_view_has_its_own_smoothness_and_ratio(toy_clip, predict, measure):
    prediction, factors = predict(toy_clip), np.float32([1.0, 2.0, 3.0])
    rows = measure(
        "smoothness@2", replace(prediction, tracks=prediction.tracks * factors[:, None, None, None]), toy_clip
    )
    assert [row.details["ratio"] for row in rows[:-1]] == pytest.approx([1, 2, 3], rel=1e-4)
    truths = [row.details["truth"] for row in rows[:-1]]
    assert [row.value for row in rows[:-1]] == pytest.approx(
        [f * t for f, t in zip(factors, truths, strict=True)], rel=1e-4
    )


def test_what_stands_still_leads_second_differences_and_breaks_the_rule_of_their_cards(
    toy_clip, predict, measure_headline
):
    """Frame 0 is held, or held with jitter of the truth's own size: they beat the truth with 1 cm noise, but do not follow its motion."""
    noisy, still = predict(toy_clip, "gt_noise_1cm"), predict(toy_clip, "frozen")
    truth = measure_headline("smoothness@2", noisy, toy_clip).details["truth"]
    sigma = truth / (np.sqrt(6) * np.sqrt(8 / np.pi))  # the mean norm of three normal coordinates is sqrt(8/pi) sigma
    noise = np.random.default_rng(0).normal(0.0, sigma, still.tracks.shape).astype(np.float32)
    jitter = replace(still, tracks=still.tracks + noise)

    def away(prediction):
        return abs(np.log(measure_headline("smoothness@2", prediction, toy_clip).details["ratio"]))

    assert away(jitter) < 0.1 < away(noisy)
    accel = [measure_headline("accel_error@2", p, toy_clip).value for p in (still, noisy)]
    assert accel[0] < accel[1]
    for metric in ("smoothness@2", "accel_error@2"):
        (rule,) = all_cards()[metric].companions
        for cheat in (still, jitter):
            assert measure_headline(rule.metric, cheat, toy_clip).value < rule.at_least
        assert measure_headline(rule.metric, noisy, toy_clip).value > rule.at_least


def test_dropping_the_jerkiest_points_pays_nowhere(toy_clip, predict, measure_headline):
    """Points have 1 cm noise in the median, up to ten times as much; the 60 % with the largest second differences go."""
    prediction, rng = predict(toy_clip), np.random.default_rng(0)
    noise = rng.normal(0.0, 0.01, prediction.tracks.shape) * np.exp(rng.normal(0.0, 1.0, 48))[:, None]
    whole = replace(prediction, tracks=(prediction.tracks + noise).astype(np.float32))
    size = np.linalg.norm(np.diff(whole.tracks, n=2, axis=1), axis=-1).mean(axis=1, keepdims=True)
    rest = replace(whole, valid=whole.valid & (size <= np.quantile(size, 0.4, axis=2, keepdims=True)))
    for metric in ("rpe@2", "mv_rpe_scene@2", "xv_rpe@2", "chamfer@2", "chamfer_sq@2", "accel_error@2", "reproj_px@2"):
        assert measure_headline(metric, rest, toy_clip).value > measure_headline(metric, whole, toy_clip).value
    ratios = [measure_headline("smoothness@2", p, toy_clip).details["ratio"] for p in (rest, whole)]
    assert abs(np.log(ratios[0])) > abs(np.log(ratios[1]))


def test_a_still_truth_has_no_smoothness_ratio(toy_clip, predict, measure):
    still = np.repeat(toy_clip.tracks.world[:1], toy_clip.frames, axis=0)
    clip = replace(toy_clip, tracks=replace(toy_clip.tracks, world=still))
    with pytest.raises(Undefined, match="too small for a ratio"):
        measure("smoothness@2", predict(clip, "gt_noise_1cm"), clip)


def test_the_metrics_of_a_case_share_pairing_and_cloud_distances(toy_clip, predict, monkeypatch):
    case = Case(predict(toy_clip), toy_clip)
    first = {card.id: list(card.load()(case))[-1].value for card in CARDS if card.id not in HIDDEN}
    monkeypatch.setattr("hoibench.metrics.aligned_motion.pair_prediction", None)
    monkeypatch.setattr("hoibench.metrics.chamfer.compare_clips", None)
    assert {card.id: list(card.load()(case))[-1].value for card in CARDS if card.id not in HIDDEN} == first


def test_world_rows_identify_their_origin(toy_clip, predict, measure_headline):
    details = measure_headline("mv_rpe_world@2", predict(toy_clip), toy_clip).details
    norms = np.linalg.norm(toy_clip.tracks.world.astype(float), axis=-1)
    assert details["median_norm"] == pytest.approx(np.median(norms))
    assert len(details["origin"]) == 12
