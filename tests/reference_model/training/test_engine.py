"""The optimizer: which parameters decay, and at which rate each learns."""

import dataclasses

import torch
from tiny_training import TINY, training

from reference_model.model import SyncMV4D
from reference_model.training.engine import optimizer_of

CONFIG = training(learning_rate=3e-5, points_learning_rate=2e-4, weight_decay=0.1)
MODEL = SyncMV4D(dataclasses.replace(TINY, dpa=dataclasses.replace(TINY.dpa, temporal=True)))
GROUP_OF = {id(each): group for group in optimizer_of(MODEL, CONFIG).param_groups for each in group["params"]}
MAPS = torch.nn.Linear | torch.nn.Conv3d


def test_every_parameter_is_in_one_group_and_learns_at_its_networks_rate():
    assert len(GROUP_OF) == sum(len(group["params"]) for group in optimizer_of(MODEL, CONFIG).param_groups)
    for name, each in MODEL.named_parameters():
        group, rate = GROUP_OF[id(each)], 3e-5 if name.startswith("mjd.") else 2e-4
        assert group["lr"] == group["full_rate"] == rate


def test_only_weights_of_linear_layers_and_convolutions_decay():
    """Told by the kinds of the layers, not by the parameters' names."""
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


def test_decay_shrinks_what_decays_and_nothing_else():
    model = SyncMV4D(TINY)
    before = {name: each.detach().clone() for name, each in model.named_parameters()}
    optimizer = optimizer_of(model, CONFIG)
    for each in model.parameters():
        each.grad = torch.zeros_like(each)
    optimizer.step()
    weight, token = "mjd.proj_out.weight", "mjd.scale_embedding"
    after = dict(model.named_parameters())
    torch.testing.assert_close(after[weight], before[weight] * (1 - 3e-5 * 0.1))
    assert not torch.equal(after[weight], before[weight]) and torch.equal(after[token], before[token])
