"""The optimizer: weight decay and learning rate of each parameter."""

import dataclasses

import pytest
import torch
from tiny_training import SINGLE_PROCESS, TINY, training_config

from reference_model.model import SyncMV4D
from reference_model.training.engine import build_optimizer, open_engine

CONFIG = training_config(betas=(0.7, 0.8), learning_rate=3e-5, dpa_learning_rate=2e-4, weight_decay=0.1)
MODEL = SyncMV4D(dataclasses.replace(TINY, dpa=dataclasses.replace(TINY.dpa, temporal=True)))
GROUP_OF = {id(each): group for group in build_optimizer(MODEL, CONFIG).param_groups for each in group["params"]}
MAPS = torch.nn.Linear | torch.nn.Conv3d


def test_every_parameter_has_one_group_with_its_networks_learning_rate():
    assert len(GROUP_OF) == sum(len(group["params"]) for group in build_optimizer(MODEL, CONFIG).param_groups)
    for name, each in MODEL.named_parameters():
        group, rate = GROUP_OF[id(each)], 3e-5 if name.startswith("mjd.") else 2e-4
        assert group["lr"] == group["base_lr"] == rate


def test_betas_are_configured():
    assert {group["betas"] for group in build_optimizer(MODEL, CONFIG).param_groups} == {(0.7, 0.8)}


def test_only_weights_of_linear_layers_and_convolutions_decay():
    """Checked by the types of the layers, not by parameter names."""
    maps = {id(module.weight) for module in MODEL.modules() if isinstance(module, MAPS)}
    maps |= {id(block.conv.weight) for block in MODEL.dpa.blocks}  # spconv's kernel
    for name, each in MODEL.named_parameters():
        assert GROUP_OF[id(each)]["weight_decay"] == (0.1 if id(each) in maps else 0.0), name


def test_tokens_tables_norms_and_biases_do_not_decay():
    names = {name for name, each in MODEL.named_parameters() if GROUP_OF[id(each)]["weight_decay"] == 0}
    block = "mjd.blocks.0"
    assert names >= {
        "mjd.scale_embedding", "mjd.register_embedding", "mjd.scale_shift_table", f"{block}.scale_shift_table_view",
        f"{block}.norm2.weight", f"{block}.attn1.norm_q.weight", f"{block}.attn1.to_q.bias", "dpa.null_token", "dpa.view_embedding",
        "dpa.blocks.0.conv.bias",
    }  # fmt: skip


def test_weight_decay_shrinks_only_decaying_parameters():
    model = SyncMV4D(TINY)
    before = {name: each.detach().clone() for name, each in model.named_parameters()}
    optimizer = build_optimizer(model, CONFIG)
    for each in model.parameters():
        each.grad = torch.zeros_like(each)
    optimizer.step()
    weight, token = "mjd.proj_out.weight", "mjd.scale_embedding"
    after = dict(model.named_parameters())
    torch.testing.assert_close(after[weight], before[weight] * (1 - 3e-5 * 0.1))
    assert not torch.equal(after[weight], before[weight]) and torch.equal(after[token], before[token])


def test_each_step_uses_the_given_learning_rate_factor():
    """AdamW moves every weight by its learning rate if the gradient is constant."""
    model = SyncMV4D(TINY)
    config = training_config(4, learning_rate=1e-3, dpa_learning_rate=4e-3, weight_decay=0.0)
    engine, steps = open_engine("ddp", model, config, SINGLE_PROCESS), []
    for rate in (0.5, 1.0, 0.25):
        before = {name: each.clone() for name, each in engine.weights().items()}
        engine.step(sum(each.sum() for each in model.parameters()), rate)
        steps.append({name: float((before[name] - each).mean()) for name, each in engine.weights().items()})
    for rate, moved in zip((0.5, 1.0, 0.25), steps, strict=True):
        assert moved["mjd.proj_out.weight"] == pytest.approx(1e-3 * rate, rel=1e-2)
        assert moved["dpa.head.weight"] == pytest.approx(4e-3 * rate, rel=1e-2)


@pytest.mark.parametrize("size", [3.0, 0.2])
def test_the_gradients_of_each_network_are_clipped_and_the_norms_before_are_returned(size):
    model = SyncMV4D(TINY)
    engine = open_engine("ddp", model, training_config(4, max_grad_norm=0.5), SINGLE_PROCESS)
    factors = {"mjd": size, "dpa": 100.0}
    engine_norms = engine.step(
        sum(factors[name] * unit_gradient(network) for name, network in model.named_children()), 1.0
    )
    assert engine_norms._asdict() == pytest.approx(factors, rel=1e-3)
    clipped = {
        name: float(torch.stack([each.grad.norm() for each in network.parameters()]).norm())
        for name, network in model.named_children()
    }
    assert clipped == pytest.approx({"mjd": min(size, 0.5), "dpa": 0.5}, rel=1e-3)


def unit_gradient(network):
    """Return a scalar whose gradient with respect to all parameters of a network has norm 1."""
    parameters = list(network.parameters())
    return sum(each.sum() for each in parameters) / sum(each.numel() for each in parameters) ** 0.5


def test_no_weight_is_updated_if_one_gradient_is_not_finite():
    model = SyncMV4D(TINY)
    engine = open_engine("ddp", model, training_config(4), SINGLE_PROCESS)
    before = engine.weights()
    norms = engine.step(unit_gradient(model.mjd) + torch.inf * unit_gradient(model.dpa), 1.0)
    assert norms.mjd == pytest.approx(1.0, rel=1e-3) and not norms.are_finite
    assert all(torch.equal(each, before[name]) for name, each in engine.weights().items())
