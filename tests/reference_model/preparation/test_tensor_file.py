import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from hoibench.store.records import Record
from hoibench.store.verified_folder import CorruptFolder
from reference_model.cache.tensor_file import read_tensors, write_tensors

TENSORS = {
    "z": torch.linspace(-1, 1, 24).reshape(2, 3, 4).bfloat16(),
    "s": torch.tensor([0.5, 2.0]),
    "visible": torch.tensor([[True, False]]),
    "part": torch.arange(3, dtype=torch.uint8),
}


class Metadata(Record):
    clip: str
    count: int
    view: str | None


METADATA = Metadata(clip="ü-1", count=3, view=None)


@pytest.fixture(scope="session")
def complete(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("tensors") / "complete.safetensors"
    write_tensors(path, TENSORS, METADATA)
    return path.read_bytes()


def same(tensors):
    return tensors.keys() == TENSORS.keys() and all(
        tensors[name].dtype == tensor.dtype and torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items()
    )


def test_tensors_and_metadata_survive_the_round_trip(tmp_path):
    path = tmp_path / "new" / "a.safetensors"
    write_tensors(path, TENSORS, METADATA)
    tensors, metadata = read_tensors(path, Metadata)
    assert same(tensors)
    assert metadata == METADATA


def test_bytes_do_not_depend_on_order_and_layout(tmp_path, complete):
    other = {name: TENSORS[name] for name in reversed(TENSORS)}
    other["z"] = other["z"].movedim(0, -1).contiguous().movedim(-1, 0)
    assert not other["z"].is_contiguous()
    write_tensors(tmp_path / "a.safetensors", other, Metadata(view=None, count=3, clip="ü-1"))
    assert (tmp_path / "a.safetensors").read_bytes() == complete


@settings(max_examples=60, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_is_detected_or_has_no_effect(complete, tmp_path_factory, at, flip):
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    data = bytearray(complete)
    data[int(at * len(data))] ^= flip
    path.write_bytes(data)
    try:
        tensors, metadata = read_tensors(path, Metadata)
    except CorruptFolder as error:
        assert str(path) in str(error)
        assert "delete it and run python -m reference_model.prepare again" in str(error)
    else:  # trailing white space of the header
        assert (metadata, same(tensors)) == (METADATA, True)


def test_a_change_of_any_number_in_the_tensors_is_detected(complete, tmp_path):
    path = tmp_path / "a.safetensors"
    header = 8 + int.from_bytes(complete[:8], "little")
    for at in range(header, len(complete)):
        path.write_bytes(complete[:at] + bytes([complete[at] ^ 1]) + complete[at + 1 :])
        with pytest.raises(CorruptFolder, match="differs from what was written"):
            read_tensors(path, Metadata)


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 40, -1])
def test_a_truncated_file_is_named(complete, tmp_path, keep):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(complete[:keep])
    with pytest.raises(CorruptFolder, match="cut.safetensors is truncated .*delete it"):
        read_tensors(path, Metadata)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"format": "pt"},
        {"hoibench": "no JSON"},
        {"hoibench": "[]"},
        {"hoibench": "{}"},
        {"hoibench": json.dumps({"metadata": METADATA.to_json(), "sha256": 1})},
        {"hoibench": json.dumps({"metadata": {"clip": "a"}, "sha256": "1"})},
    ],
)
def test_foreign_files_are_refused(tmp_path, metadata):
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(save(TENSORS, metadata))
    with pytest.raises(CorruptFolder, match="foreign.safetensors"):
        read_tensors(path, Metadata)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="a.safetensors is missing: run python -m reference_model.prepare again"
    ):
        read_tensors(tmp_path / "a.safetensors", Metadata)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_not_written(tmp_path, value):
    path = tmp_path / "a.safetensors"
    bad = TENSORS | {"s": torch.tensor([value, 1.0])}
    with pytest.raises(ValueError, match="s contains NaN or infinity, so .*a.safetensors was not written"):
        write_tensors(path, bad, METADATA)
    assert not list(tmp_path.iterdir())
