"""The comparison of the test download's videos with its silhouettes."""

import numpy as np
import pytest
import taco_faults as faults
from taco_pictures import part_of
from taco_tree import FOUR, HIT

from hoibench.datasets.surfaces import BACKGROUND, map_frames
from hoibench.datasets.taco.checks import CheckedSequence
from hoibench.datasets.taco.checks.video_fit import find_misfits
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.silhouettes.compare import CameraFit, VideoComparison, find_displacement
from hoibench.datasets.taco.silhouettes.labels import LabelRenderer
from hoibench.datasets.taco.silhouettes.segmentation import segmentation_file
from hoibench.video import decode

KEY = HIT.key


def recording(tree):
    return Recording(tree.download, tree.sequence(KEY), ProxyHand())


def checked(tree):
    return CheckedSequence(recording(tree), {s: p for s, p in tree.sequence(KEY).videos().items() if s in FOUR})


@pytest.fixture(scope="module")
def intact(taco):
    return checked(taco).comparison


def test_labels_are_what_the_video_shows(taco):
    own, serial = recording(taco), FOUR[0]
    camera = own.camera(serial, taco.size)
    (labels,) = map_frames(own.surfaces_in([0, 90]), [LabelRenderer(camera)])
    shown = part_of(decode(taco.sequence(KEY).video(serial), [0, 90]))
    assert (labels[:, 0].astype(np.uint8) == shown).mean() > 0.98
    assert np.array_equal(np.isinf(labels[:, 1]), labels[:, 0] == BACKGROUND)


def test_silhouettes_of_an_intact_sequence_fit_at_their_place(intact):
    assert [fit.serial for fit in intact.fits] == sorted(FOUR)
    assert all(fit.is_clear and not fit.is_displaced and fit.iou is None for fit in intact.fits)
    assert max(fit.offset for fit in intact.fits) < 0.012
    assert intact.exchanged == ()


def test_exchanged_videos_are_refused_by_name(taco_copy):
    path = faults.exchange_videos(taco_copy, KEY, FOUR[0], FOUR[2])
    findings = list(find_misfits(checked(taco_copy)))
    assert [finding.severity for finding in findings] == ["refuse", "refuse"]
    assert f"{path} shows what camera {FOUR[2]} sees" in str(findings[0].problem)


def test_a_calibration_of_another_world_frame_is_warned_of_once(taco_copy):
    faults.move_world(taco_copy, KEY, degrees=4.0, metres=0.05)
    (finding,) = find_misfits(checked(taco_copy))
    assert finding.severity == "warn"
    assert "cm away from where calibration and poses put them, as" in str(finding.problem)


def test_one_displaced_camera_is_named(taco_copy):
    faults.move_world(taco_copy, KEY, degrees=0.0, metres=0.05, serials=FOUR[:1])
    (finding,) = find_misfits(checked(taco_copy))
    assert f"the video of camera {FOUR[0]} best" in str(finding.problem)


def test_own_masks_replace_the_video(taco_copy):
    sequence = taco_copy.sequence(KEY)
    for serial, shift in ((FOUR[0], 0), (FOUR[1], 9)):
        masks = part_of(decode(sequence.video(serial), range(0, HIT.frames, 5))) != BACKGROUND
        path = segmentation_file(sequence, serial)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.roll(masks, shift, axis=2).astype(np.uint8))
    np.save(segmentation_file(sequence, FOUR[2]), np.zeros(3))
    of = {fit.serial: fit for fit in checked(taco_copy).comparison.fits}
    assert of[FOUR[0]].iou > 0.8
    assert not of[FOUR[0]].is_displaced
    assert of[FOUR[1]].iou < 0.7
    assert of[FOUR[1]].is_displaced
    assert of[FOUR[3]].iou is None
    problems = [str(finding.problem) for finding in find_misfits(checked(taco_copy))]
    assert any(f"{FOUR[2]}_masks.npy has float64 (3,)" in problem for problem in problems)


def test_a_displacement_in_the_world_is_recovered_and_shifts_without_one_are_none(intact):
    cameras = [intact.cameras[serial] for serial in FOUR]
    moved = np.array([0.03, -0.01, 0.02])
    fits = [fit_of(camera.R[:2] @ moved) for camera in cameras]
    assert find_displacement(fits, cameras) == pytest.approx(np.linalg.norm(moved))
    opposed = [fit_of((0.03, 0.0) if n % 2 else (-0.03, 0.0)) for n in range(len(cameras))]
    assert find_displacement(opposed, cameras) is None
    assert find_displacement(fits[:2], cameras[:2]) is None


def fit_of(shift) -> CameraFit:
    return CameraFit("1", 0.1, 1.0, tuple(float(s) for s in shift))


def test_without_keyframes_frames_of_the_first_two_seconds_are_compared(taco, monkeypatch):
    monkeypatch.setattr("hoibench.datasets.taco.silhouettes.compare.read_keyframes", lambda _path: (0, 120))
    videos = {s: taco.sequence(KEY).videos()[s] for s in FOUR[:1]}
    comparison = VideoComparison(recording(taco), videos)
    assert comparison.frames == (0, 8, 17, 25, 34, 42, 51, 60)
    (fit,) = comparison.fits
    assert fit.is_clear
    assert not fit.is_displaced
