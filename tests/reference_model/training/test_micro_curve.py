"""Micro's recorded training on 16 clips gives its loss curve again."""

import pytest
from micro_curve import RECORDED, train_briefly

from reference_model.training.loss_log import read_losses

TOLERANCE = 0.03
"""Largest relative difference: on the machine of the record the curve is exact, others round differently (a gradient's norm by 1 %)."""

pytestmark = pytest.mark.slow


@pytest.mark.timeout(1800)  # the machine may be busy
def test_the_recorded_training_gives_its_curve_again(tmp_path):
    found, recorded = train_briefly(tmp_path), read_losses(RECORDED)
    assert len(found) == len(recorded) > 0
    for entry, expected in zip(found, recorded, strict=True):
        assert entry.stage == expected.stage
        values, wanted = (each.model_dump(exclude={"seconds", "stage"}) for each in (entry, expected))
        assert values == pytest.approx(wanted, rel=TOLERANCE), f"iteration {entry.iteration}"
