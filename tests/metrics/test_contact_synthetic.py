"""Contact on synthetic clips: the truth is perfect and penetrates little; hands hold their objects in all frames, but in synthetic-reach@1."""

import grasp_scene as scene
import numpy as np
import pytest

from hoibench.datasets.synthetic.dataset import SyntheticDataset
from hoibench.metrics.case import Case
from hoibench.metrics.contact import measure_contact_accuracy, measure_contact_depth_error


@pytest.fixture(scope="module")
def clips(demo_root):
    dataset = SyntheticDataset.open(demo_root)
    return [dataset.load(entry) for entry in dataset.manifest("demo").entries]


@pytest.fixture(scope="module")
def reaching(reach_root):
    dataset = SyntheticDataset.open(reach_root)
    return [dataset.load(entry) for entry in dataset.manifest("synthetic-reach@1/demo").entries]


def headlines(clip, world):
    case = Case(scene.predict(clip, world), clip)
    return [list(measure(case))[-1] for measure in (measure_contact_accuracy, measure_contact_depth_error)]


def test_the_truth_is_perfect_and_penetrates_by_under_3_mm(clips, reaching):
    for clip in (*clips, *reaching):
        accuracy, depth = headlines(clip, clip.tracks.world)
        assert accuracy.value == 1
        assert depth.value < 1e-6
        assert depth.details["largest_true_penetration"] < 0.003


def test_what_contact_accuracy_sees_here_as_docs_synthetic_says(clips):
    """Contact hardly changes over a clip, so that a frozen prediction is nearly perfect; a hand that has let go of its tool is not."""
    for clip in clips:
        world = clip.tracks.world
        frozen, _ = headlines(clip, np.repeat(world[:1], clip.frames, axis=0))
        assert frozen.value > 0.95
        of_right = (clip.tracks.part == scene.RIGHT)[:, None]
        lifted, depth = headlines(clip, world + of_right * np.array([0.0, 0.0, 0.2]))
        assert 0.7 < lifted.value < 0.8  # one of two contacts is lost
        assert 0.024 < depth.value < 0.026  # nearly 5 cm for one of the two


def test_a_frozen_prediction_is_clearly_wrong_where_hands_reach(reaching):
    """tests/datasets/synthetic/test_reach.py checks all 24 clips, without videos."""
    values = []
    for clip in reaching:
        world = clip.tracks.world
        frozen, _ = headlines(clip, np.repeat(world[:1], clip.frames, axis=0))
        truth, _ = headlines(clip, world)
        values.append(frozen.value)
        assert truth.details["frozen"] == frozen.value
        assert 0.1 <= truth.details["true_contacts"] <= 0.9
    assert max(values) < 0.9
    assert np.mean(values) < 0.8
