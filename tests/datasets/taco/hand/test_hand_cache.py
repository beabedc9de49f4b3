import errno
import os
import pickle
import shutil

import numpy as np
import pytest
import torch

from hoibench.datasets.cache_entries import clear_entries, list_entries
from hoibench.datasets.taco.hand import hand_cache, hand_pose
from hoibench.datasets.taco.hand.hand_pose import read_hand

LARGE, SMALL = 80, 25  # frames: 1.4 MB and 0.1 MB, since each frame repeats all of them


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def parsed(monkeypatch):
    """The files that were unpickled."""
    files = []
    read = hand_pose.read_torch_pickle
    monkeypatch.setattr(hand_pose, "read_torch_pickle", lambda path: files.append(path.name) or read(path))
    return files


def write(folder, frames=LARGE, seed=0, side="left"):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    poses, places = torch.randn(frames, 48), torch.randn(frames, 3)
    table = {f"{i + 1:05d}": {"hand_pose": poses[i], "hand_trans": places[i]} for i in range(frames)}
    (folder / f"{side}_hand.pkl").write_bytes(pickle.dumps(table, protocol=4))
    return poses.numpy()


@pytest.fixture
def sequence(tmp_path):
    return tmp_path / "tree" / "Hand_Poses" / "(stir, spoon, bowl)" / "20230927_027"


def entry_files(root):
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_a_large_file_is_unpickled_once(root, sequence, parsed):
    poses = write(sequence)
    for _ in range(3):
        hand = read_hand(sequence, "left")
        np.testing.assert_array_equal(hand.theta, poses)
        assert hand.theta.dtype == np.float64
    assert parsed == ["left_hand.pkl"]
    (file,) = entry_files(root)
    assert file.name == "20230927_027-left_hand.npz"


def test_a_small_file_is_not_cached(root, sequence, parsed):
    write(sequence, SMALL)
    for _ in range(2):
        read_hand(sequence, "left")
    assert parsed == ["left_hand.pkl"] * 2
    assert not root.exists()


def test_gaps_survive_caching(sequence):
    write(sequence)
    path = sequence / "left_hand.pkl"
    table = pickle.loads(path.read_bytes())
    del table["00003"]
    path.write_bytes(pickle.dumps(table, protocol=4))
    for _ in range(2):
        lost = np.isnan(read_hand(sequence, "left").theta).all(axis=1)
        np.testing.assert_array_equal(np.flatnonzero(lost), [2])


def test_a_changed_file_is_unpickled_again_and_replaces_its_entry(root, sequence, parsed):
    write(sequence)
    read_hand(sequence, "left")
    poses = write(sequence, seed=1)
    os.utime(sequence / "left_hand.pkl", ns=(1, 1))
    for _ in range(2):
        np.testing.assert_array_equal(read_hand(sequence, "left").theta, poses)
    assert parsed == ["left_hand.pkl"] * 2
    assert len(entry_files(root)) == 1


def test_files_in_different_folders_have_different_entries(sequence):
    """Unpacked from zips, two may have one size and one time."""
    other = sequence.parents[1] / "(dust, brush, bowl)" / sequence.name
    poses = [write(folder, seed=seed) for seed, folder in enumerate((sequence, other))]
    for folder in (sequence, other):
        os.utime(folder / "left_hand.pkl", ns=(1, 1))
    assert (sequence / "left_hand.pkl").stat().st_size == (other / "left_hand.pkl").stat().st_size
    for folder, expected in zip((sequence, other), poses, strict=True):
        np.testing.assert_array_equal(read_hand(folder, "left").theta, expected)


def test_the_cache_lists_a_download_as_one_entry_and_clears_it(sequence, tmp_path):
    second = tmp_path / "tree" / "Hand_Poses" / "(cut, knife, plate)" / "20231002_001"
    elsewhere = tmp_path / "copy" / "Hand_Poses" / "(cut, knife, plate)" / "20231002_001"
    for folder in (sequence, second, elsewhere):
        write(folder)
        read_hand(folder, "left")
    listed = list_entries()
    assert sorted(entry.files for entry in listed) == [1, 2]
    assert all(entry.name.startswith("taco-hands@1-") for entry in listed)
    clear_entries()
    assert list_entries() == []
    read_hand(sequence, "left")


def test_a_linked_sequence_has_the_same_entry(sequence, tmp_path, parsed):
    write(sequence)
    (tmp_path / "link").symlink_to(tmp_path / "tree")
    for top in ("tree", "link"):
        read_hand(tmp_path / top / sequence.relative_to(tmp_path / "tree"), "left")
    assert parsed == ["left_hand.pkl"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_damaged_entry_is_renamed_and_created_again(root, sequence, parsed, caplog, share):
    poses = write(sequence)
    read_hand(sequence, "left")
    (file,) = entry_files(root)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    for _ in range(2):
        np.testing.assert_array_equal(read_hand(sequence, "left").theta, poses)
    assert parsed == ["left_hand.pkl"] * 2
    assert [path.suffix for path in entry_files(root)] == [".damaged", ".npz"]
    assert "renamed to 20230927_027-left_hand.damaged" in caplog.text


def test_an_unwritable_cache_gives_one_warning(root, sequence, parsed, caplog, monkeypatch):
    root.write_text("a file where a folder should be")
    monkeypatch.setenv("HOIBENCH_CACHE", str(root / "cache"))
    poses = write(sequence)
    for _ in range(3):
        np.testing.assert_array_equal(read_hand(sequence, "left").theta, poses)
    assert parsed == ["left_hand.pkl"] * 3
    (warning,) = caplog.records
    assert "cannot be used" in warning.message
    assert "HOIBENCH_CACHE" in warning.message


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_disk_gives_one_warning(sequence, caplog, monkeypatch, code):
    def fail(path, arrays):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(hand_cache, "write_npz", fail)
    poses = write(sequence)
    for _ in range(2):
        np.testing.assert_array_equal(read_hand(sequence, "left").theta, poses)
    (warning,) = caplog.records
    assert os.strerror(code) in warning.message


def test_nothing_is_written_into_the_download_by_the_cache(sequence):
    write(sequence)
    read_hand(sequence, "left")
    assert [path.name for path in sequence.iterdir()] == ["left_hand.pkl"]


def test_a_damaged_file_is_not_cached(root, sequence):
    write(sequence)
    path = sequence / "left_hand.pkl"
    shutil.copy(path, sequence / "whole")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"left_hand\.pkl is not a complete pickle"):
        read_hand(sequence, "left")
    assert not root.exists()
    (sequence / "whole").replace(path)
    read_hand(sequence, "left")
