"""A nano model overfits one clip: each part can fit its target."""

import pytest
import torch

from hoibench.metrics.chamfer import chamfer
from reference_model.config import preset
from reference_model.loading.saved_model import load_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def distance(tracks, truth):
    return chamfer(tracks.numpy(), truth.numpy(), torch.ones(truth.shape[:-1], dtype=torch.bool).numpy(), size=1.0)


@pytest.mark.parametrize("name", ["video", "motion", "points"])
def test_each_error_falls_at_least_tenfold(overfitted, name):
    before, after = (float(getattr(losses, name)) for losses in (overfitted.before, overfitted.after))
    assert after <= before / 10, f"{name}: {before:.4f} before, {after:.4f} after"


def test_sampled_tracks_are_closer_than_frozen_points(overfitted):
    """The tracks are sampled from noise unseen in training; in ``frozen`` each point stays at its position in frame 0."""
    truth = overfitted.truth
    frozen = distance(truth[:, :1].expand_as(truth), truth)
    sampled = distance(overfitted.sampled, truth)
    assert sampled <= 0.25 * frozen, f"{1000 * sampled:.2f} mm, of frozen points {1000 * frozen:.2f} mm"


def test_overfitting_writes_a_model_folder(overfitted):
    loaded = load_model(overfitted.folder)
    assert loaded.config == preset("nano")
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
