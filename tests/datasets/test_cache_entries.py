from pathlib import Path

import pytest

from hoibench.datasets.cache_entries import PREPARED, WEIGHTS, clear_entries, list_entries
from hoibench.store.atomic import ensure_folder
from hoibench.store.cache_dir import cache_dir


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "a.bin").write_bytes(b"12345")
    (folder / "b.bin").write_bytes(b"678")


def test_the_cache_folder_comes_from_the_variable_or_the_user(root, monkeypatch):
    assert cache_dir() == root
    monkeypatch.setenv("HOIBENCH_CACHE", "~/x")
    assert cache_dir() == Path.home() / "x"
    monkeypatch.delenv("HOIBENCH_CACHE")
    assert cache_dir().name == "hoibench"


ONE, TWO = "taco-hands@1-ba9876543210", "synthetic-clips@2"


def test_entries_are_counted_and_cleared(root):
    assert list_entries() == []
    for name in (TWO, ONE):
        ensure_folder(root / name / "clip", fill)
    assert list_entries() == [(TWO, 8, 2), (ONE, 8, 2)]
    assert clear_entries(ONE) == [(ONE, 8, 2)]
    assert [entry.name for entry in list_entries()] == [TWO]
    with pytest.raises(FileNotFoundError, match=f"'{ONE}'; entries: {TWO}"):
        clear_entries(ONE)
    assert clear_entries() == [(TWO, 8, 2)]
    assert list_entries() == []


def test_other_folders_are_neither_listed_nor_deleted(root, tmp_path):
    """HOIBENCH_CACHE may be a folder with other files."""
    other_folders = ("Documents", "synthetic@2", "synthetic-clips@2.old", "weights.old", "synthetic@2-0123456789AB")
    for name in (*other_folders, ONE):
        ensure_folder(root / name / "clip", fill)
    linked = tmp_path / "elsewhere"
    linked.mkdir()
    (root / TWO).symlink_to(linked)
    (root / "synthetic@2-aaaaaaaaaaaa").write_text("a file")
    assert [entry.name for entry in list_entries()] == [ONE]
    with pytest.raises(FileNotFoundError, match="no entry 'Documents'"):
        clear_entries("Documents")
    with pytest.raises(FileNotFoundError, match="no entry '../elsewhere'"):
        clear_entries("../elsewhere")
    clear_entries()
    assert sorted(path.name for path in root.iterdir()) == sorted([*other_folders, TWO, "synthetic@2-aaaaaaaaaaaa"])
    assert linked.is_dir()


@pytest.mark.parametrize("name", [WEIGHTS, f"{PREPARED}1-0123456789ab"])
def test_entries_that_are_not_regenerated_are_deleted_only_by_name(root, name):
    (root / name).mkdir(parents=True)
    (root / name / "a.bin").write_bytes(b"123")
    ensure_folder(root / ONE / "clip", fill)
    assert (name, 3, 1) in list_entries()
    assert [entry.name for entry in clear_entries()] == [ONE]
    assert list_entries() == [(name, 3, 1)]
    assert clear_entries(name) == [(name, 3, 1)]
    assert list_entries() == []


def test_every_folder_in_the_cache_is_listed(root):
    """An entry that is not listed could never be deleted."""
    from hoibench.datasets.synthetic.dataset import REACH_VERSION, clips_folder
    from hoibench.datasets.taco.clip_source import prepared_folder
    from hoibench.datasets.taco.download import POSES, TacoDownload
    from hoibench.datasets.taco.hand.hand_cache import VERSION
    from hoibench.datasets.taco.hand.hand_models import ProxyHand
    from hoibench.weights.finding import cache_folder

    folders = [clips_folder(cache_dir()), clips_folder(cache_dir(), REACH_VERSION), cache_folder()]
    (root.parent / "taco" / POSES).mkdir(parents=True)
    prepared = prepared_folder(TacoDownload(root.parent / "taco"), ProxyHand())
    assert prepared.name.startswith(PREPARED)
    folders += [prepared, cache_dir() / f"{VERSION}-0123456789ab"]
    for folder in folders:
        folder.mkdir(parents=True)
    assert sorted(entry.name for entry in list_entries()) == sorted(folder.name for folder in folders)
