"""Files and folders are complete or absent despite killed, interrupted and concurrent processes."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hoibench.store import atomic_write, remove_temporary_files, write_bytes
from hoibench.store.atomic import WriteError, ensure_folder, new_folder, replace_folder


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture
def disk(monkeypatch):
    """Syncs and renames, in order: ("sync", path) and ("rename", new name)."""
    done = []
    real_sync, real_replace, real_rename = os.fsync, Path.replace, Path.rename

    def fsync(descriptor):
        done.append(("sync", Path(os.readlink(f"/proc/self/fd/{descriptor}"))))
        real_sync(descriptor)

    def renaming(real):
        def rename(self, target):
            renamed = real(self, target)
            done.append(("rename", Path(target)))
            return renamed

        return rename

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", renaming(real_replace))
    monkeypatch.setattr(Path, "rename", renaming(real_rename))
    return done


def fill(folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "a.bin").write_bytes(b"12345")
    (folder / "b.bin").write_bytes(b"678")


def test_atomic_write_replaces_files(tmp_path):
    path = tmp_path / "a" / "b.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "b.txt"
    path.write_text("old")
    with pytest.raises(OSError), atomic_write(path) as temporary:
        temporary.write_text("ne")
        raise OSError(errno.ENOSPC, "full")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["b.txt"]


def test_temporary_files_of_killed_writers_are_removed(tmp_path):
    for name in (".tmp-0123abcd-a.json", ".tmp-0123abcd-b.npz", "a.json", ".tmp-x"):
        (tmp_path / name).write_text("")
    remove_temporary_files(tmp_path, "a.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".tmp-0123abcd-b.npz", ".tmp-x", "a.json"]
    remove_temporary_files(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".tmp-x", "a.json"]


def test_an_interrupt_leaves_no_temporary_file(tmp_path):
    (tmp_path / "b.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "b.txt") as temporary:
        temporary.write_text("ne")
        raise KeyboardInterrupt
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_an_old_file_is_replaced_and_not_overwritten(tmp_path):
    (tmp_path / "b.txt").write_text("old")
    os.link(tmp_path / "b.txt", tmp_path / "link")
    write_bytes(tmp_path / "b.txt", b"new")
    assert [(tmp_path / name).read_text() for name in ("b.txt", "link")] == ["new", "old"]


def test_a_file_is_on_disk_before_it_has_its_name_and_its_name_before_the_call_ends(tmp_path, disk):
    write_bytes(tmp_path / "b.txt", b"new")
    (first, temporary), *rest = disk
    assert (first, temporary.parent) == ("sync", tmp_path) and temporary.name.endswith("-b.txt")
    assert rest == [("rename", tmp_path / "b.txt"), ("sync", tmp_path)]


def test_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"b\.txt"), atomic_write(tmp_path / "b.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_folder_is_on_disk_with_all_that_it_holds_before_it_has_its_name(root, disk):
    ensure_folder(root / "clip", fill)
    renamed = disk.index(("rename", root / "clip"))
    before = {path.relative_to(root).parts[1:] for kind, path in disk[:renamed] if kind == "sync"}
    assert before == {(), ("inner",), ("inner", "a.bin"), ("b.bin",)}
    assert disk[renamed + 1 :] == [("sync", root)]


def test_a_new_folder_replaces_the_old_one(root):
    fill_old = lambda new: (new / "old").touch()  # noqa: E731
    ensure_folder(root / "model", fill_old)
    with new_folder(root / "model") as new:
        assert [path.name for path in (root / "model").iterdir()] == ["old"]
        fill(new)
    assert sorted(path.name for path in (root / "model").iterdir()) == ["b.bin", "inner"]
    assert [path.name for path in root.iterdir()] == ["model"]


def test_the_old_folder_is_kept_if_the_new_one_fails(root):
    ensure_folder(root / "model", fill)
    with pytest.raises(KeyboardInterrupt), new_folder(root / "model") as new:
        (new / "half").touch()
        raise KeyboardInterrupt
    assert sorted(path.name for path in (root / "model").iterdir()) == ["b.bin", "inner"]
    assert [path.name for path in root.iterdir()] == ["model"]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "the disk is gone"), KeyboardInterrupt("the disk is gone")])
def test_the_old_folder_is_restored_if_the_new_one_cannot_be_renamed(root, monkeypatch, error):
    ensure_folder(root / "model", fill)
    (root / "new").mkdir()
    real = Path.rename

    def rename(self, target):
        if self.name == "new":
            raise OSError(errno.ENOTEMPTY, "it is there") if target.exists() else error
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(type(error), match="the disk is gone"):
        replace_folder(root / "new", root / "model")
    assert sorted(path.name for path in root.iterdir()) == ["model", "new"]
    assert (root / "model" / "b.bin").is_file()


def test_keep_existing_is_called_at_the_end(root):
    for keep in (True, False):
        with new_folder(root / "clip", keep_existing=lambda keep=keep: keep) as new:
            (root / "clip").mkdir(exist_ok=True)
            (root / "clip" / "theirs").touch()
            (new / "ours").touch()
        assert [path.name for path in (root / "clip").iterdir()] == ["theirs" if keep else "ours"]
        assert [path.name for path in root.iterdir()] == ["clip"]


def test_a_folder_is_created_once(root):
    made = []
    for _ in range(2):
        ensure_folder(root / "clip", lambda folder: made.append(folder) or fill(folder))
    assert len(made) == 1
    assert sorted(path.name for path in root.iterdir()) == ["clip"]


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing_behind(root, error):
    def fail(folder):
        fill(folder)
        raise error

    with pytest.raises(type(error)):
        ensure_folder(root / "clip", fail)
    assert list(root.iterdir()) == []


def test_a_full_disk_names_the_variable(root, monkeypatch):
    monkeypatch.setenv("HOIBENCH_CACHE", str(root))

    def fail(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(WriteError, match=r"clip \(No space left on device\).*HOIBENCH_CACHE") as caught:
        ensure_folder(root / "clip", fail)
    assert caught.value.errno == errno.ENOSPC


def test_an_unwritable_cache_names_the_variable_and_another_folder_does_not(root, monkeypatch):
    root.write_text("a file where the folder should be")
    with pytest.raises(WriteError, match="choose a writable folder$"):
        ensure_folder(root / "clip", fill)
    monkeypatch.setenv("HOIBENCH_CACHE", str(root.parent))
    with pytest.raises(WriteError, match="set HOIBENCH_CACHE to another folder$"):
        ensure_folder(root / "clip", fill)


def test_the_second_writer_keeps_the_folder_of_the_first(root):
    def overtaken(folder):
        fill(folder)
        ensure_folder(root / "clip", lambda inner: (inner / "first").touch())

    ensure_folder(root / "clip", overtaken)
    assert [path.name for path in (root / "clip").iterdir()] == ["first"]
    assert [path.name for path in root.iterdir()] == ["clip"]


SLOW = """
import sys
from pathlib import Path
from hoibench.store.atomic import ensure_folder

def make(folder):
    (folder / "half").touch()
    print("half", flush=True)
    sys.stdin.readline()
    (folder / "whole").touch()

ensure_folder(Path(sys.argv[1]), make)
"""


def start(folder):
    """A process that has written half of a folder, and waits for a signal to write the rest."""
    command = [sys.executable, "-c", SLOW, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "half\n"
    return process


def test_a_killed_process_leaves_no_partial_folder(root):
    folder = root / "clip"
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


def test_two_concurrent_processes_end_with_a_complete_folder(root):
    folder = root / "clip"
    for process in [start(folder) for _ in range(2)]:
        process.communicate("go\n", timeout=30)
        assert process.returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["half", "whole"]
    assert [path.name for path in folder.parent.iterdir()] == ["clip"]
