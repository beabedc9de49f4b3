"""Micro's recorded training on 16 clips gives its loss curve again."""

import math

import pytest
from micro_curve import CURVES, train_briefly

from reference_model.training.loss_log import read_losses

TOLERANCE = 0.01
"""Largest relative difference from the curve of one of the processors: on the same kind of processor the curve is exact, others round differently."""

pytestmark = pytest.mark.slow


def relative_difference(found, recorded):
    if found == recorded:
        return 0.0
    return math.inf if None in (found, recorded) or not recorded else abs(found - recorded) / abs(recorded)


def largest_difference(found, recorded):
    """The largest relative difference of the values of two curves, infinite if they have other entries."""
    if [(entry.iteration, entry.stage) for entry in found] != [(entry.iteration, entry.stage) for entry in recorded]:
        return math.inf
    pairs = zip((entry.model_dump(exclude={"seconds", "stage"}) for entry in found), recorded, strict=True)
    return max(
        relative_difference(value, getattr(other, name)) for mine, other in pairs for name, value in mine.items()
    )


@pytest.mark.timeout(1800)  # the machine may be busy
def test_the_recorded_training_gives_its_curve_again(tmp_path):
    found = train_briefly(tmp_path)
    differences = {path.stem: largest_difference(found, read_losses(path)) for path in CURVES.iterdir()}
    assert min(differences.values()) <= TOLERANCE, differences
