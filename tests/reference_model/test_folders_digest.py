"""Which files a part is made of: long ones by blocks, short ones whole."""

import itertools
import shutil

import pytest

from reference_model.generation import folders_digest as module
from reference_model.generation.folders_digest import folders_digest

LONG = bytes(range(256)) * 40
CHANGES = {
    "a short file's last byte": lambda part: (part / "config.json").write_bytes(b"{]"),
    "a file's name": lambda part: (part / "config.json").rename(part / "other.json"),
    "one file more": lambda part: (part / "more").write_bytes(b""),
    "a long file's length": lambda part: (part / "shards" / "weights").write_bytes(LONG + LONG[-1:]),
    "all of a long file": lambda part: (part / "shards" / "weights").write_bytes(LONG[::-1]),
    "a long file's first byte": lambda part: (part / "shards" / "weights").write_bytes(b"x" + LONG[1:]),
    "a long file's last byte": lambda part: (part / "shards" / "weights").write_bytes(LONG[:-1] + b"x"),
}


@pytest.fixture
def part(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 64)
    folder = tmp_path / "vae"
    (folder / "shards").mkdir(parents=True)
    (folder / "config.json").write_bytes(b"{}")
    (folder / "shards" / "weights").write_bytes(LONG)
    return folder


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_part_has_another_digest(part, tmp_path, change):
    copy = tmp_path / "copy" / "vae"
    shutil.copytree(part, copy)
    (copy / ".cache").write_bytes(b"of a download")
    assert folders_digest([copy]) == folders_digest([part])
    change(copy)
    assert folders_digest([copy]) != folders_digest([part])


def test_of_a_long_file_blocks_are_read(part, monkeypatch):
    """So that tens of gigabytes cost a fraction: at most ``BLOCKS`` of them, the first, the last and others between."""
    starts = list(module._starts(len(LONG)))
    assert len(starts) == module.BLOCKS < len(LONG) // module.BLOCK
    assert starts[0] == 0 and starts[-1] == len(LONG) - module.BLOCK
    gaps = {after - before for before, after in itertools.pairwise(starts)}
    assert max(gaps) - min(gaps) <= 1
    monkeypatch.setattr(module, "BLOCKS", len(LONG))
    assert b"".join(LONG[start : start + module.BLOCK] for start in module._starts(len(LONG))) == LONG


def test_a_part_is_told_from_another_of_the_same_files(part, tmp_path):
    other = shutil.copytree(part, tmp_path / "text_encoder")
    assert folders_digest([part, other]) not in (folders_digest([part]), folders_digest([other]))
    assert folders_digest([part]) != folders_digest([other])
