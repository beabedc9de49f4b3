import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from hoibench.store.records import Record
from hoibench.store.verified_folder import CorruptFolder
from reference_model.cache import tensors as cache_tensors
from reference_model.cache.tensors import read_tensors, write_tensors

TENSORS = {
    "z": torch.linspace(-1, 1, 24).reshape(2, 3, 4).bfloat16(),
    "s": torch.tensor([0.5, 2.0]),
    "visible": torch.tensor([[True, False]]),
    "part": torch.arange(3, dtype=torch.uint8),
}


class Facts(Record):
    clip: str
    count: int
    view: str | None


FACTS = Facts(clip="ü-1", count=3, view=None)


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("tensors") / "whole.safetensors"
    write_tensors(path, TENSORS, FACTS)
    return path.read_bytes()


def same(tensors):
    return tensors.keys() == TENSORS.keys() and all(
        tensors[name].dtype == tensor.dtype and torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items()
    )


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "a.safetensors"
    write_tensors(path, TENSORS, FACTS)
    tensors, facts = read_tensors(path, Facts)
    assert same(tensors)
    assert facts == FACTS


def test_equal_contents_give_equal_bytes_whatever_their_order_and_layout(tmp_path, whole):
    other = {name: TENSORS[name] for name in reversed(TENSORS)}
    other["z"] = other["z"].movedim(0, -1).contiguous().movedim(-1, 0)
    assert not other["z"].is_contiguous()
    write_tensors(tmp_path / "a.safetensors", other, Facts(view=None, count=3, clip="ü-1"))
    assert (tmp_path / "a.safetensors").read_bytes() == whole


@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_changes_nothing(whole, tmp_path_factory, at, flip):
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    data = bytearray(whole)
    data[int(at * len(data))] ^= flip
    path.write_bytes(data)
    try:
        tensors, facts = read_tensors(path, Facts)
    except CorruptFolder as error:
        assert str(path) in str(error)
        assert "delete it and run python -m reference_model.prepare again" in str(error)
    else:  # the white space that the header ends with
        assert (facts, same(tensors)) == (FACTS, True)


def test_a_change_of_any_number_in_the_tensors_is_detected(whole, tmp_path):
    path = tmp_path / "a.safetensors"
    header = 8 + int.from_bytes(whole[:8], "little")
    for at in range(header, len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(CorruptFolder, match="not as it was written"):
            read_tensors(path, Facts)


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 40, -1])
def test_a_truncated_file_is_named(whole, tmp_path, keep):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(whole[:keep])
    with pytest.raises(CorruptFolder, match="cut.safetensors is truncated .*delete it"):
        read_tensors(path, Facts)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"format": "pt"},
        {"hoibench": "no JSON"},
        {"hoibench": "[]"},
        {"hoibench": "{}"},
        {"hoibench": json.dumps({"facts": FACTS.to_json(), "sha256": 1})},
        {"hoibench": json.dumps({"facts": {"clip": "a"}, "sha256": "1"})},
    ],
)
def test_other_peoples_files_are_refused(tmp_path, metadata):
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(save(TENSORS, metadata))
    with pytest.raises(CorruptFolder, match="foreign.safetensors"):
        read_tensors(path, Facts)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="a.safetensors is missing: run python -m reference_model.prepare again"
    ):
        read_tensors(tmp_path / "a.safetensors", Facts)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_neither_written_nor_read(tmp_path, monkeypatch, value):
    path = tmp_path / "a.safetensors"
    bad = TENSORS | {"s": torch.tensor([value, 1.0])}
    with pytest.raises(ValueError, match="s holds NaN or infinity, so .*a.safetensors was not written"):
        write_tensors(path, bad, FACTS)
    assert not list(tmp_path.iterdir())
    with monkeypatch.context() as patch:  # as a writer would that does not look
        patch.setattr(cache_tensors, "_not_finite", lambda tensors: None)
        write_tensors(path, bad, FACTS)
    with pytest.raises(CorruptFolder, match="a.safetensors .*s holds NaN or infinity: delete it"):
        read_tensors(path, Facts)
