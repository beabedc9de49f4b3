from pathlib import Path

import pytest

from hoibench.datasets.cache_entries import PREPARED, WEIGHTS, clear, entries
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


def test_the_cache_is_where_the_variable_says_or_in_the_users_folder(root, monkeypatch):
    assert cache_dir() == root
    monkeypatch.setenv("HOIBENCH_CACHE", "~/x")
    assert cache_dir() == Path.home() / "x"
    monkeypatch.delenv("HOIBENCH_CACHE")
    assert cache_dir().name == "hoibench"


ONE, TWO = "taco-hands@1-ba9876543210", "synthetic-clips@1"


def test_entries_are_counted_and_cleared(root):
    assert entries() == []
    for name in (TWO, ONE):
        ensure_folder(root / name / "clip", fill)
    assert entries() == [(TWO, 8, 2), (ONE, 8, 2)]
    assert clear(ONE) == [(ONE, 8, 2)]
    assert [entry.name for entry in entries()] == [TWO]
    with pytest.raises(FileNotFoundError, match=f"'{ONE}', only {TWO}"):
        clear(ONE)
    assert clear() == [(TWO, 8, 2)]
    assert entries() == []


def test_what_others_keep_in_the_folder_is_neither_listed_nor_cleared(root, tmp_path):
    """Someone may have set HOIBENCH_CACHE to a folder that holds more than this."""
    strangers = ("Documents", "synthetic@1", "synthetic-clips@1.old", "weights.old", "synthetic@1-0123456789AB")
    for name in (*strangers, ONE):
        ensure_folder(root / name / "clip", fill)
    linked = tmp_path / "elsewhere"
    linked.mkdir()
    (root / TWO).symlink_to(linked)
    (root / "synthetic@1-aaaaaaaaaaaa").write_text("a file")
    assert [entry.name for entry in entries()] == [ONE]
    with pytest.raises(FileNotFoundError, match="no entry 'Documents'"):
        clear("Documents")
    with pytest.raises(FileNotFoundError, match="no entry '../elsewhere'"):
        clear("../elsewhere")
    clear()
    assert sorted(path.name for path in root.iterdir()) == sorted([*strangers, TWO, "synthetic@1-aaaaaaaaaaaa"])
    assert linked.is_dir()


@pytest.mark.parametrize("name", [WEIGHTS, f"{PREPARED}1-0123456789ab"])
def test_what_does_not_come_back_by_itself_is_cleared_only_by_name(root, name):
    (root / name).mkdir(parents=True)
    (root / name / "a.bin").write_bytes(b"123")
    ensure_folder(root / ONE / "clip", fill)
    assert (name, 3, 1) in entries()
    assert [entry.name for entry in clear()] == [ONE]
    assert entries() == [(name, 3, 1)]
    assert clear(name) == [(name, 3, 1)]
    assert entries() == []


def test_the_data_sets_and_the_weights_know_the_same_names(root):
    """What is made must be listed, or it could never be cleared."""
    from hoibench.datasets.synthetic.dataset import clips_folder
    from hoibench.datasets.taco.clip_source import prepared_folder
    from hoibench.datasets.taco.download import POSES, TacoDownload
    from hoibench.datasets.taco.hand.hand_cache import VERSION
    from hoibench.datasets.taco.hand.hand_models import ProxyHand
    from hoibench.weights.finding import cache_folder

    folders = [clips_folder(cache_dir()), cache_folder()]
    (root.parent / "taco" / POSES).mkdir(parents=True)
    prepared = prepared_folder(TacoDownload(root.parent / "taco"), ProxyHand())
    assert prepared.name.startswith(PREPARED)
    folders += [prepared, cache_dir() / f"{VERSION}-0123456789ab"]
    for folder in folders:
        folder.mkdir(parents=True)
    assert sorted(entry.name for entry in entries()) == sorted(folder.name for folder in folders)
