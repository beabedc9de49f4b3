"""Digests of files and folders; large files are sampled by blocks."""

import itertools
import shutil

import pytest

from hoibench.store import hashes, sampled_digest

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
    monkeypatch.setattr(hashes, "BLOCK", 64)
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
    assert sampled_digest(copy) == sampled_digest(part)
    change(copy)
    assert sampled_digest(copy) != sampled_digest(part)


def test_only_blocks_of_a_long_file_are_read(part, monkeypatch):
    """At most ``BLOCKS`` blocks: the first, the last and others between."""
    starts = list(hashes.block_starts(len(LONG)))
    assert len(starts) == hashes.BLOCKS < len(LONG) // hashes.BLOCK
    assert starts[0] == 0 and starts[-1] == len(LONG) - hashes.BLOCK
    gaps = {after - before for before, after in itertools.pairwise(starts)}
    assert max(gaps) - min(gaps) <= 1
    monkeypatch.setattr(hashes, "BLOCKS", len(LONG))
    assert b"".join(LONG[start : start + hashes.BLOCK] for start in hashes.block_starts(len(LONG))) == LONG


def test_a_digest_does_not_depend_on_the_path(part, tmp_path):
    weights = part / "shards" / "weights"
    copy = tmp_path / "renamed"
    shutil.copy(weights, copy)
    assert sampled_digest(copy) == sampled_digest(weights)
    copy.write_bytes(LONG[:-1] + b"x")
    assert sampled_digest(copy) != sampled_digest(weights)
