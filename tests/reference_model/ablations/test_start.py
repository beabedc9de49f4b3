"""The common start of the ablations, and loading its weights into the rows."""

import dataclasses

import pytest
import torch

from reference_model.config import preset, with_changes, with_mjd
from reference_model.loading.saved_model import save_model
from reference_model.loading.transformer import load_from_start
from reference_model.mjd.model import Baseline, MultiViewJointDiffusion
from reference_model.model import SyncMV4D

TINY = {"mjd.num_attention_heads": 2, "mjd.ffn_dim": 32, "mjd.num_layers": 1}
RESIDUAL = {"mjd.predicts": "clean", "mjd.residual": True, "mjd.scale_tokens_see_K": True}


def config_of(name):
    return with_changes(preset(f"nano-{name}"), TINY | RESIDUAL)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A start with random weights in every layer, as if it were trained, and its folder."""
    torch.manual_seed(0)
    model = SyncMV4D(config_of("start"))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    folder = tmp_path_factory.mktemp("start") / "model"
    save_model(folder, model)
    return model.mjd.eval(), folder


@pytest.fixture(scope="module")
def inputs():
    g = torch.Generator().manual_seed(1)
    z = torch.randn(2, 3, 16, 2, 4, 4, generator=g)
    baseline = Baseline(torch.randn(z.shape, generator=g), torch.ones(2, 3))
    return z, torch.randn(2, 5, 32, generator=g), torch.tensor([0.3, 0.9]), baseline


def test_at_first_a_row_of_videos_is_the_start_view_by_view(start, inputs):
    mjd, folder = start
    z, text, t, baseline = inputs
    row = load_from_start(folder, config_of("video_only"))
    with torch.no_grad():
        together = row(z, None, z[:, :, :, :1], text, t, baseline=baseline).video
        for view in range(3):
            one = slice(view, view + 1)
            alone = mjd(
                z[:, one], None, z[:, one, :, :1], text, t, baseline=Baseline(*(each[:, one] for each in baseline))
            )
            assert torch.allclose(together[:, one], alone.video, atol=1e-5)
    assert together.std() > 0.1


@pytest.mark.parametrize("name", ["single_view", "no_aligner", "full"])
def test_at_first_motion_is_its_guidance(start, inputs, name):
    """The head of motion is new, so a residual model starts from the guidance, and its depth is that of the scene's origin."""
    config = config_of(name)
    row = load_from_start(start[1], config)
    z, text, t, baseline = inputs
    views = config.mjd.views
    z, baseline = z[:, :views], Baseline(*(each[:, :views] for each in baseline))
    with torch.no_grad():
        output = row(z, z, z[:, :, :, :1], text, t, 0.5 * z, torch.ones(2, views, 2), baseline)
    clean = z - t.view(-1, 1, 1, 1, 1, 1) * output.motion
    assert torch.allclose(clean, 0.5 * z, atol=1e-5)
    assert torch.equal(output.s, torch.ones_like(output.s))


def test_missing_parameters_are_exactly_the_new_ones(start):
    names = {
        name: set(load_from_start(start[1], config_of(name)).state_dict()) - set(start[0].state_dict())
        for name in ("video_only", "full")
    }
    assert names["video_only"] == {
        name for name in names["full"] if "attn_view" in name or name.endswith("scale_shift_table_view")
    }
    assert all(name in MultiViewJointDiffusion(config_of("full").mjd).new_parameters() for name in names["full"])


def test_another_size_is_refused(start):
    other = with_mjd(config_of("full"), ffn_dim=48)
    with pytest.raises(ValueError, match="ffn_dim is 32, expected 48"):
        load_from_start(start[1], other)


def test_a_model_with_motion_is_no_start(tmp_path):
    config = config_of("full")
    save_model(tmp_path / "model", SyncMV4D(dataclasses.replace(config)))
    with pytest.raises(ValueError, match="extra: patch_embedding_motion"):
        load_from_start(tmp_path / "model", config)
