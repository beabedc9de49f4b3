"""Metrics of image encoders: VBench's consistency on given features, similarity of views, regions, rows, and how often a frame is encoded."""

from collections import Counter

import numpy as np
import pytest

from hoibench.metric_card import all_cards
from hoibench.metrics.backbones.encoders import encode_video
from hoibench.metrics.clip_views import clip_views
from hoibench.metrics.measurement import NotApplicable, Unavailable, Undefined
from hoibench.metrics.subject_consistency import consistency_scores, subject_consistency

measure_subject_consistency = all_cards()["subject_consistency/vbench@1"].load()
measure_clip_views = all_cards()["clip_views/vitb32-openai@1"].load()


class MeanColour:
    """An encoder by the mean colour, black being red; it records its calls."""

    name, weights = "mean-colour", {"colours": "ab"}

    def __init__(self):
        self.batches, self.images = [], Counter()

    def encode(self, images):
        self.batches.append(len(images))
        self.images.update(image.tobytes() for image in images)
        means = np.stack([image.mean(axis=(0, 1)) for image in images])
        means[:, 0] += 1e-3
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def encoder(monkeypatch):
    encoder = MeanColour()
    for module in ("subject_consistency", "clip_views"):
        monkeypatch.setattr(f"hoibench.metrics.{module}.load_encoder", lambda name, case: encoder)
    return encoder


def colours(*views):
    """Frames of one colour: (V, N, 16, 16, 3)."""
    return np.array(views, np.uint8)[:, :, None, None].repeat(16, axis=2).repeat(16, axis=3)


RED, GREEN, BLUE, YELLOW = (200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)
DIAGONAL = 1 / np.sqrt(2)


def headline(rows, region="full"):
    (row,) = (r for r in rows if (r.region, r.view, r.pair, r.frame) == (region, None, None, None))
    return row


def test_both_cosines_are_clamped_and_the_mean_is_over_the_frames_but_the_first():
    """Frame 1 is opposite to frame 0, 2 equal to it and opposite to 1, 3 is orthogonal to both."""
    features = np.array([[1, 0], [-1, 0], [1, 0], [0, 1], [0.6, 0.8]], np.float32)
    assert consistency_scores(features) == pytest.approx([0, 0.5, 0, (0.8 + 0.6) / 2])


def test_consistency_is_the_mean_over_views_of_the_mean_over_frames(build_case, encoder):
    video = colours([RED, RED, GREEN], [RED, YELLOW, RED])
    rows = list(measure_subject_consistency(build_case(video)))
    assert [(r.view, r.frame) for r in rows] == [
        *(("view-0", n) for n in (1, 2, None)), *(("view-1", n) for n in (1, 2, None)), (None, None),
    ]  # fmt: skip
    wanted = [1, 0, 0.5, DIAGONAL, (DIAGONAL + 1) / 2, DIAGONAL * 0.75 + 0.25, (DIAGONAL * 0.75 + 0.75) / 2]
    assert [r.value for r in rows] == pytest.approx(wanted, abs=1e-5)
    assert (rows[2].n_scored, rows[2].n_expected, rows[-1].n_scored) == (2, 2, 2)
    assert all(r.weights == {"colours": "ab"} and r.details["precision"] == "fp32" for r in rows)
    assert subject_consistency(video[1], encoder) == pytest.approx(wanted[5], abs=1e-5)


def test_views_are_compared_in_each_frame(build_case, encoder):
    video = colours([RED, RED], [RED, GREEN], [GREEN, YELLOW])
    rows = list(measure_clip_views(build_case(video)))
    wanted = {
        (None, 0): 100 / 3, (None, 1): 200 * DIAGONAL / 3,
        ("view-0|view-1", None): 50, ("view-0|view-2", None): 50 * DIAGONAL, ("view-1|view-2", None): 50 * DIAGONAL,
        (None, None): (100 + 200 * DIAGONAL) / 6,
    }  # fmt: skip
    assert {(r.pair, r.frame): r.value for r in rows} == pytest.approx(wanted, abs=1e-2)
    assert (rows[-1].n_scored, rows[-1].n_expected) == (6, 6)
    assert clip_views(video, encoder) == pytest.approx(rows[-1].value)


@pytest.mark.parametrize("measure", [measure_subject_consistency, measure_clip_views])
def test_each_frame_is_encoded_once_per_region(build_case, build_video, encoder, measure):
    video, masks = build_video(views=3, frames=5)
    case = build_case(video, masks=masks, batch=4)
    list(measure(case))
    assert set(encoder.images.values()) == {1} and len(encoder.images) == 3 * 5 * 2
    assert encoder.batches == [4, 4, 4, 3] * 2
    frozen = build_case(video[:, :1].repeat(5, axis=1))
    encoder.batches.clear()
    assert headline(measure(frozen)).value is not None
    assert sum(encoder.batches) == 3


def test_frames_without_foreground_are_left_out_and_counted(build_case, encoder):
    video = colours([RED, BLUE, RED, GREEN], [RED, RED, RED, RED])
    masks = np.ones(video.shape[:4], bool)
    masks[0, 1] = masks[1, 1:] = False
    case = build_case(video, masks=masks)
    rows = list(measure_subject_consistency(case))
    fg = {(r.view, r.frame): r for r in rows if r.region == "fg"}
    assert list(fg) == [("view-0", 2), ("view-0", 3), ("view-0", None), ("view-1", None), (None, None)]
    assert fg["view-0", None].value == pytest.approx(0.5, abs=1e-5)  # red, red, green
    assert (fg["view-0", None].n_scored, fg["view-0", None].n_expected) == (2, 3)
    assert fg["view-1", None].status == "undefined" and "two frames" in fg["view-1", None].reason
    assert (fg[None, None].value, fg[None, None].n_scored, fg[None, None].n_expected) == (
        fg["view-0", None].value,
        1,
        2,
    )
    similar = headline(measure_clip_views(case), "fg")
    assert (similar.value, similar.n_scored, similar.n_expected) == (pytest.approx(100, abs=1e-3), 1, 4)


def test_a_clip_without_foreground_is_undefined(build_case, encoder):
    video = colours([RED, BLUE], [RED, RED])
    for measure in (measure_subject_consistency, measure_clip_views):
        rows = list(measure(build_case(video, masks=np.zeros(video.shape[:4], bool))))
        assert headline(rows).status == "ok" and headline(rows, "fg").status == "undefined"


def test_pixels_outside_the_mask_are_grey(encoder):
    video = colours([RED, BLUE])
    masks = np.zeros(video.shape[:4], bool)
    masks[..., :8] = True
    encode_video(video, encoder, masks)
    for image in encoder.images:
        pixels = np.frombuffer(image, np.uint8).reshape(16, 16, 3)
        assert (pixels[:, 8:] == 127).all() and tuple(pixels[0, 0]) in (RED, BLUE)


def test_pixels_from_0_to_1_are_refused(encoder):
    """They would score as if they were nearly black."""
    video = colours([RED, BLUE], [RED, RED]) / 255
    with pytest.raises(ValueError, match="frames has dtype float64, expected uint8"):
        subject_consistency(video[0], encoder)
    with pytest.raises(ValueError, match="video has dtype float64, expected uint8"):
        clip_views(video, encoder)
    assert not encoder.batches


def test_one_frame_has_views_but_no_consistency(build_case, encoder):
    case = build_case(colours([RED], [YELLOW]))
    assert headline(measure_clip_views(case)).value == pytest.approx(100 * DIAGONAL, abs=1e-2)
    with pytest.raises(Undefined, match="one frame"):
        list(measure_subject_consistency(case))


def test_one_view_has_consistency_but_no_pair(build_case, encoder):
    case = build_case(colours([RED, RED]))
    assert headline(measure_subject_consistency(case)).value == pytest.approx(1)
    with pytest.raises(NotApplicable, match="one view"):
        list(measure_clip_views(case))


def test_black_frames_have_values(build_case, encoder):
    case = build_case(np.zeros((2, 3, 16, 16, 3), np.uint8))
    assert headline(measure_subject_consistency(case)).value == pytest.approx(1)
    assert headline(measure_clip_views(case)).value == pytest.approx(100)


@pytest.mark.parametrize(
    ("measure", "id"), [(measure_subject_consistency, "dino-vitb16"), (measure_clip_views, "clip-vit-b-32-openai")]
)
def test_without_weights_the_reason_has_the_command_that_fetches_them(build_case, monkeypatch, tmp_path, measure, id):
    monkeypatch.delenv("HOIBENCH_WEIGHTS", raising=False)
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    with pytest.raises(Unavailable, match=f"hoibench weights fetch {id}"):
        list(measure(build_case(colours([RED, RED], [RED, RED]))))
