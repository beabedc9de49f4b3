"""``hoibench.score`` from Python."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import hoibench
from hoibench.cli.run import main as run
from hoibench.clip import Prediction
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation import score as score_module
from hoibench.evaluation.measure import measure
from hoibench.evaluation.reference_predictions import build_reference
from hoibench.evaluation.scored_clip import roundtrip
from hoibench.metric_card import select_cards
from hoibench.metrics.case import Case
from hoibench.predictions import decode_prediction, read_prediction, write_prediction

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def clip():
    dataset = open_dataset("toy", None)
    return dataset.load(dataset.manifest("demo").entries[0])


@pytest.fixture
def truth(clip):
    return build_reference("ground_truth", clip, 0)


@pytest.fixture
def cases(monkeypatch):
    """The cases that scoring made."""
    made = []
    real = score_module.score_case
    monkeypatch.setattr(
        score_module, "score_case", lambda case, cards, key: made.append(case) or real(case, cards, key)
    )
    return made


def test_a_run_and_the_function_agree(tmp_path, monkeypatch, clip, cases):
    monkeypatch.chdir(tmp_path)
    metrics = "rpe,smoothness,matching_pixels/sift-mnn"
    assert (
        run(["--dataset", "toy", "--method", "gt_noise_1cm", "--metrics", metrics, "--workers", "1", "--out", "r"]) == 0
    )
    columns = ["metric", "region", "value", "status", "pairing"]
    found = pd.read_parquet("r/results.parquet")
    ran = found[(found["method"] == "gt_noise_1cm") & (found["clip"] == clip.id)][columns]
    rows = hoibench.score(build_reference("gt_noise_1cm", clip, 0), clip, metrics.split(","))
    scored = pd.DataFrame([row.to_json() for row in rows])[columns]
    assert len(scored) == len(ran) > 3
    order = ["metric", "region", "value"]
    pd.testing.assert_frame_equal(
        *(table.sort_values(order).reset_index(drop=True) for table in (ran, scored)), check_dtype=False
    )
    stored = decode_prediction(read_prediction(tmp_path / "r" / "predictions" / "gt_noise_1cm" / "seed-0" / clip.id))
    assert np.array_equal(cases[-1].prediction.video, stored.video)


def equal_share(video, other):
    """The share of equal values; x264's code for AVX-512 encodes one of a thousand small videos in another way."""
    return np.mean(video == other)


def test_truth_and_frames_in_memory_go_through_the_codec(clip, truth, cases, tmp_path):
    hoibench.score(truth, clip, "matching_pixels/sift-mnn")
    (case,) = cases
    assert equal_share(case.clip.video, roundtrip(clip.video, clip.fps)) > 0.95
    assert equal_share(case.prediction.video, roundtrip(clip.video, clip.fps)) > 0.95
    assert equal_share(case.clip.video, clip.video) < 0.5
    # Files went through it already.
    write_prediction(tmp_path, truth, clip.fps)
    hoibench.score(read_prediction(tmp_path), clip, "matching_pixels/sift-mnn")
    assert equal_share(cases[1].prediction.video, case.prediction.video) > 0.95


def test_motion_metrics_do_not_encode_video(clip, truth, monkeypatch):
    monkeypatch.setattr("hoibench.evaluation.scored_clip.encode", lambda *_: pytest.fail("a video was encoded"))
    assert hoibench.score(truth, clip, ["rpe", "chamfer"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: replace(p, tracks=p.tracks[:, 1:]), r"tracks has shape \(2, 5, 40, 3\)"),
        (lambda p: replace(p, video=p.video[:, 1:]), r"video has shape \(2, 5, 32, 48, 3\)"),
        (lambda p: replace(p, video=p.video[:, :, ::2]), r"video has shape \(2, 6, 16, 48, 3\)"),
        (lambda p: replace(p, masks=np.ones((2, 6, 8, 8), bool)), r"masks has shape \(2, 6, 8, 8\)"),
        (lambda p: Prediction(points=np.ones((3, 6, 8, 8, 3))), r"points has shape \(3, 6, 8, 8, 3\)"),
    ],
)
def test_a_prediction_must_fit_the_clip(clip, truth, change, message):
    with pytest.raises(ValueError, match=message):
        hoibench.score(change(truth), clip, "rpe")


def test_an_exception_of_a_metric_gives_an_error_row_but_a_full_disk_is_raised(clip, truth, tmp_path):
    (tmp_path / "broken.py").write_text(
        "import errno\n"
        "def full(case):\n    raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "def wrong(case):\n    raise KeyError('x')\n"
    )
    case = Case(truth, clip, "query", "cpu", None)
    (card,) = select_cards(["rpe"])
    (row,) = measure(case, card.model_copy(update={"entry": f"{tmp_path}/broken.py:wrong"}))
    assert (row.status, row.value, row.reason) == ("error", None, "KeyError: 'x'")
    with pytest.raises(OSError, match="No space left"):
        measure(case, card.model_copy(update={"entry": f"{tmp_path}/broken.py:full"}))


def test_query_pairing_needs_every_anchor(clip, truth):
    fewer = replace(truth, tracks=truth.tracks[:, :, 1:], anchors=truth.anchors[:, 1:])
    with pytest.raises(ValueError, match="39 points for 40 query anchors"):
        hoibench.score(fewer, clip, "rpe", pairing="query")
    with pytest.raises(ValueError, match="pairing is 'nearest', expected one of query"):
        hoibench.score(truth, clip, "rpe", pairing="nearest")


@pytest.mark.parametrize(
    ("change", "pairing"),
    [
        (lambda p: p, "query"),
        (lambda p: replace(p, anchors=p.anchors + np.float32(0.005)), "query"),
        (lambda p: replace(p, anchors=p.anchors + np.float32(0.02)), "anchor"),
        # As many points, but other ones, or in another order: by index they would all be wrong.
        (lambda p: replace(p, anchors=p.anchors[:, ::-1], tracks=p.tracks[:, :, ::-1]), "anchor"),
        (lambda p: replace(p, anchors=p.anchors[:, 1:], tracks=p.tracks[:, :, 1:]), "anchor"),
        (lambda p: Prediction(points=np.ones((2, 6, 32, 48, 3))), "oracle-projection"),
    ],
)  # fmt: skip
def test_pairing_follows_the_anchors(clip, truth, cases, change, pairing):
    hoibench.score(change(truth), clip, "rpe")
    assert cases[0].pairing == pairing


def test_points_in_another_order_are_still_found(clip, truth):
    swapped = replace(truth, anchors=truth.anchors[:, ::-1], tracks=truth.tracks[:, :, ::-1])
    (row,) = (row for row in hoibench.score(swapped, clip, "rpe") if row.is_headline)
    assert row.value < 1e-3
