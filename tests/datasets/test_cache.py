import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hoibench.datasets.cache import PREPARED, WEIGHTS, cache_dir, clear, ensure_folder, entries


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


ONE, TWO = "synthetic@1-0123456789ab", "synthetic-wide@1-ba9876543210"


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
    strangers = ("Documents", "synthetic@1", "synthetic@1-0123456789ab.old", "weights.old", "synthetic@1-0123456789AB")
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
    from hoibench.datasets.synthetic.dataset import _SPLITS, generator_version
    from hoibench.datasets.taco.hand.hand_cache import VERSION
    from hoibench.datasets.taco.hand.hand_models import ProxyHand
    from hoibench.datasets.taco.layout import POSES, Tree
    from hoibench.datasets.taco.sources import prepared_folder
    from hoibench.weights.finding import cache_folder

    folders = [cache_dir() / f"{split}-{generator_version()}" for split in _SPLITS] + [cache_folder()]
    (root.parent / "taco" / POSES).mkdir(parents=True)
    prepared = prepared_folder(Tree(root.parent / "taco"), ProxyHand())
    assert prepared.name.startswith(PREPARED)
    folders += [prepared, cache_dir() / f"{VERSION}-0123456789ab"]
    for folder in folders:
        folder.mkdir(parents=True)
    assert sorted(entry.name for entry in entries()) == sorted(folder.name for folder in folders)


def test_a_folder_is_made_once(root):
    made = []
    for _ in range(2):
        ensure_folder(root / "x" / "clip", lambda folder: made.append(folder) or fill(folder))
    assert len(made) == 1
    assert sorted(path.name for path in (root / "x").iterdir()) == ["clip"]


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing_behind(root, error):
    def fail(folder):
        fill(folder)
        raise error

    with pytest.raises(type(error)):
        ensure_folder(root / "x" / "clip", fail)
    assert list((root / "x").iterdir()) == []


def test_a_full_disk_names_the_variable(root):
    def fail(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=r"clip \(No space left on device\).*HOIBENCH_CACHE") as caught:
        ensure_folder(root / "x" / "clip", fail)
    assert caught.value.errno == errno.ENOSPC


def test_a_cache_that_cannot_be_written_names_the_variable(root):
    root.write_text("a file where the folder should be")
    with pytest.raises(OSError, match="HOIBENCH_CACHE"):
        ensure_folder(root / "x" / "clip", fill)


def test_whoever_is_second_keeps_what_the_first_made(root):
    def overtaken(folder):
        fill(folder)
        ensure_folder(root / "x" / "clip", lambda inner: (inner / "first").touch())

    ensure_folder(root / "x" / "clip", overtaken)
    assert [path.name for path in (root / "x" / "clip").iterdir()] == ["first"]
    assert [path.name for path in (root / "x").iterdir()] == ["clip"]


SLOW = """
import sys
from pathlib import Path
from hoibench.datasets.cache import ensure_folder

def make(folder):
    (folder / "half").touch()
    print("half", flush=True)
    sys.stdin.readline()
    (folder / "whole").touch()

ensure_folder(Path(sys.argv[1]), make)
"""


def start(folder):
    """A process that has made half of a folder, and waits to be told to make the rest."""
    command = [sys.executable, "-c", SLOW, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "half\n"
    return process


def test_a_killed_process_leaves_no_folder_that_is_taken_for_whole(root):
    folder = root / "x" / "clip"
    process = start(folder)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not folder.exists()
    ensure_folder(folder, fill)
    assert (folder / "b.bin").is_file()
    # What the killed one left is swept once it is a day old.
    (left,) = (path for path in folder.parent.iterdir() if path != folder)
    old = time.time() - 25 * 3600
    os.utime(left, (old, old))
    ensure_folder(folder.with_name("next"), fill)
    assert not left.exists()


def test_two_processes_at_once_both_end_with_the_whole_folder(root):
    folder = root / "x" / "clip"
    for process in [start(folder) for _ in range(2)]:
        process.communicate("go\n", timeout=30)
        assert process.returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["half", "whole"]
    assert [path.name for path in folder.parent.iterdir()] == ["clip"]
