"""The setting of the paper on two processes."""

import pytest
import torch
from started_trainings import read_reports, run_two, training_options
from tiny_training import LOOP, read_curve, write_cache

pytestmark = pytest.mark.slow
ENGINES = ("ddp", "zero3")
SETTING = {"objective": "joint", "precision": "bf16", "gradient_checkpointing": True, "iterations": 3}
"""Section 4.2: in the loop, mixed precision, gradient checkpointing."""

LOSSES = ("loss", "video", "motion", "depth_range", "points", "chamfer")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of a few iterations on each engine."""
    cache = write_cache(tmp_path_factory.mktemp("cache"), config=LOOP)
    runs = {engine: tmp_path_factory.mktemp(engine) for engine in ENGINES}
    for code, output in run_two(*(training_options(cache, out, engine, SETTING) for engine, out in runs.items())):
        assert code == 0, output[-3000:]
    return runs


def test_both_engines_give_the_same_losses_in_the_papers_setting(folders):
    ddp, zero3 = (
        torch.tensor([[entry[name] for name in LOSSES] for entry in read_curve(folders[engine])]) for engine in ENGINES
    )
    assert len(ddp) == SETTING["iterations"] and ddp.isfinite().all() and zero3.isfinite().all()
    torch.testing.assert_close(zero3[0], ddp[0], rtol=2**-8, atol=1e-4)  # equal weights, bfloat16's 8 bits
    torch.testing.assert_close(zero3, ddp, rtol=0.06, atol=1e-3)  # weights after updates in bfloat16
    assert (ddp[1:] - ddp[:-1]).abs().min(dim=0).values.min() > 1e-3  # every loss changes
    assert not torch.equal(zero3, ddp)


@pytest.mark.parametrize("engine", ENGINES)
def test_coarse_points_are_found_in_the_papers_setting(folders, engine):
    for each in read_reports(folders[engine]):
        assert set(each["guided"]) == {True, False} and each["found"] > 0
