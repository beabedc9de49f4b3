"""Loading tensors: no code in a file is executed, and names and shapes are checked."""

import pytest
import torch
from safetensors.torch import save_file

from hoibench.weights.loading import load_weights, read_state_dict


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the file ran code')",))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "toy.pth"


def test_a_state_dict_round_trips(path):
    torch.save({"a": torch.arange(3)}, path)
    assert read_state_dict(path)["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", [Trap(), {"a": Trap()}], ids=["object", "inside"])
def test_code_in_a_file_is_not_run(path, content):
    torch.save(content, path)
    with pytest.raises(ValueError, match="not a plain torch checkpoint"):
        read_state_dict(path)


@pytest.mark.parametrize("content", [[torch.zeros(2)], {"a": {"b": torch.zeros(2)}}, torch.zeros(2)])
def test_only_named_tensors_are_accepted(path, content):
    torch.save(content, path)
    with pytest.raises(ValueError, match="is not a state dict"):
        read_state_dict(path)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 broken"])
def test_a_file_that_is_not_a_checkpoint_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=str(path)):
        read_state_dict(path)


def test_exactly_the_named_tensors_may_be_missing(path):
    layer = torch.nn.Linear(2, 3)
    torch.save({"weight": torch.ones(3, 2)}, path)
    load_weights(layer, path, missing=["bias"])
    assert layer.weight.eq(1).all()
    with pytest.raises(ValueError, match=r"missing \['bias'\] \(expected \[\]\)"):
        load_weights(layer, path)
    with pytest.raises(ValueError, match=r"expected \['bias', 'more'\]"):
        load_weights(layer, path, missing=["bias", "more"])


@pytest.mark.parametrize(
    "state", [{"weight": torch.ones(3, 2), "bias": torch.ones(3), "x": torch.ones(1)}, {"weight": torch.ones(2, 2)}]
)
def test_a_state_of_another_network_is_refused(path, state):
    torch.save(state, path)
    with pytest.raises(ValueError, match="does not fit Linear"):
        load_weights(torch.nn.Linear(2, 3), path)


@pytest.mark.parametrize("name", ["toy.pth", "toy.safetensors"])
def test_a_prefix_selects_a_part_of_a_file(tmp_path, name):
    path = tmp_path / name
    tensors = {"a.weight": torch.ones(3, 2), "a.bias": torch.arange(3.0), "b.weight": torch.zeros(1)}
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({"state_dict": tensors, "epoch": 3}, path)
    with torch.device("meta"):
        layer = torch.nn.Linear(2, 3)
    load_weights(layer, path, prefix="a.")
    assert layer(torch.ones(2)).tolist() == [2.0, 3.0, 4.0]
    with pytest.raises(ValueError, match=r"no tensor whose name starts with c\."):
        load_weights(layer, path, prefix="c.")


def test_a_damaged_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "toy.safetensors"
    path.write_bytes(b"\0" * 20)
    with pytest.raises(ValueError, match=f"{path} is not a safetensors file"):
        read_state_dict(path)
