"""A sealed folder is whole or absent, and damage to it is found on reading."""

import errno
import logging
import os
import subprocess
import sys
import threading
import time

import filelock
import pytest

from hoibench.store import sealed_folder
from hoibench.store.records import Record
from hoibench.store.sealed_folder import (
    CorruptFolder,
    FolderMetadata,
    WriteError,
    ensure_settings,
    is_intact,
    locked,
    read_metadata,
    seal,
    write_sealed,
)


class Note(FolderMetadata):
    SCHEMA = "hoibench/note@1"
    FILE = "note.json"
    FIX = "write it again"

    text: str
    size: tuple[int, int] = (3, 4)


class Settings(Record):
    SCHEMA = "hoibench/settings@1"

    name: str
    size: tuple[int, int] = (3, 4)
    inner: dict[str, float] = {}


def write(folder, text="whole", **options):
    def fill(new):
        (new / "file.txt").write_text(text)
        (new / "inner").mkdir()
        (new / "inner" / "more.txt").write_text(text)

    write_sealed(folder, Note(text=text), fill, **options)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "folder")
    return tmp_path / "folder"


def test_what_was_sealed_is_read_and_stays(folder):
    assert read_metadata(folder, Note, check="contents") == read_metadata(folder, Note)
    assert (read_metadata(folder, Note).text, read_metadata(folder, Note).size) == ("whole", (3, 4))
    assert list(read_metadata(folder, Note).files) == ["file.txt", "inner/more.txt"]
    write(folder, "another")
    assert (folder / "file.txt").read_text() == "whole"


def test_metadata_are_read_without_the_files_that_they_are_of(folder):
    (folder / "file.txt").write_text("WHOLE")
    assert read_metadata(folder, Note, check="sizes").text == "whole"
    assert not is_intact(folder, Note)
    with pytest.raises(CorruptFolder, match=r"file\.txt is not as it was written, by its SHA-256: write it again"):
        read_metadata(folder, Note, check="contents")


@pytest.mark.parametrize("text", ["whol", "wholes"])
def test_a_file_of_another_size_is_told_without_reading_it(folder, text):
    (folder / "inner" / "more.txt").write_text(text)
    assert read_metadata(folder, Note).text == "whole"
    for check in ("sizes", "contents"):
        with pytest.raises(CorruptFolder, match=rf"more\.txt has {len(text)} bytes, 5 were written: write it again"):
            read_metadata(folder, Note, check=check)


def test_a_file_that_is_gone_is_named(folder):
    (folder / "file.txt").unlink()
    with pytest.raises(CorruptFolder, match=r"file\.txt is missing: write it again"):
        read_metadata(folder, Note, check="sizes")


def test_a_folder_that_is_not_there_is_not_corrupt(tmp_path):
    assert not is_intact(tmp_path / "none", Note)
    with pytest.raises(FileNotFoundError, match="none is missing: write it again"):
        read_metadata(tmp_path / "none", Note)


def test_files_that_are_too_large_to_be_read_again_are_known_by_their_sizes(tmp_path):
    write(tmp_path / "folder", hashed=False)
    (tmp_path / "folder" / "file.txt").write_text("WHOLE")
    assert is_intact(tmp_path / "folder", Note)
    (tmp_path / "folder" / "file.txt").write_text("wholes")
    assert not is_intact(tmp_path / "folder", Note)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: "{}",
        lambda text: text.replace("whole", "half"),
        lambda text: text.replace('"seal"', '"seals"'),
        lambda text: text.replace("note@1", "note@2"),
    ],
)
def test_damaged_metadata_are_named(folder, change):
    (folder / "note.json").write_text(change((folder / "note.json").read_text()))
    with pytest.raises(CorruptFolder, match=r"note\.json is missing or damaged .*: write it again"):
        read_metadata(folder, Note)
    (folder / "note.json").unlink()
    with pytest.raises(CorruptFolder, match=r"note\.json is missing or damaged"):
        read_metadata(folder, Note)


def test_a_damaged_folder_is_replaced(folder):
    (folder / "file.txt").write_text("damaged")
    write(folder, "again")
    assert (folder / "file.txt").read_text() == "again"
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_a_folder_that_another_mended_meanwhile_stays(folder):
    (folder / "file.txt").write_text("damaged")

    def fill(new):
        write(folder, "by another")
        (new / "file.txt").write_text("by us")

    write_sealed(folder, Note(text="by us"), fill)
    assert (folder / "file.txt").read_text() == "by another"
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_a_folder_that_cannot_be_filled_leaves_the_damaged_one(folder):
    (folder / "file.txt").write_text("damaged")

    def fill(new):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(WriteError, match="cannot write .*folder .No space left on device.: free space there"):
        write_sealed(folder, Note(text="by us"), fill)
    assert (folder / "file.txt").read_text() == "damaged"
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_a_folder_that_several_fill_is_sealed_by_one(tmp_path):
    (tmp_path / "file.txt").write_text("whole")
    seal(tmp_path, Note(text="whole"))
    assert is_intact(tmp_path, Note)


def test_a_file_is_hashed_once_until_it_changes(folder, monkeypatch):
    hashed = []
    real = sealed_folder.sha256_file
    monkeypatch.setattr(sealed_folder, "sha256_file", lambda path: hashed.append(path.name) or real(path))
    for _ in range(3):
        assert is_intact(folder, Note)
    assert hashed == ["file.txt", "more.txt"]
    (folder / "file.txt").write_text("WHOLE")
    assert not is_intact(folder, Note)
    assert hashed == ["file.txt", "more.txt", "file.txt"]


def hold_to(path, settings, **options):
    ensure_settings(path, settings, fix="give another --out", **options)


def test_settings_are_written_once_and_held_to(tmp_path):
    path = tmp_path / "new" / "settings.json"
    hold_to(path, Settings(name="a", inner={"x": 1.0}))
    written = path.stat()
    hold_to(path, Settings(name="a", inner={"x": 1.0}))
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    told = r"new was made with other settings \(size was \[3, 4\], now \[5, 6\]; inner.x was 1.0, now 2.0\): give another --out"
    with pytest.raises(ValueError, match=told):
        hold_to(path, Settings(name="a", size=(5, 6), inner={"x": 2.0}))
    with pytest.raises(ValueError, match="inner.x was 1.0, now None"):
        hold_to(path, Settings(name="a"))
    assert Settings.read(path) == Settings(name="a", inner={"x": 1.0})


def test_settings_that_are_free_may_differ_and_stay(tmp_path):
    path = tmp_path / "settings.json"
    hold_to(path, Settings(name="a", inner={"x": 1.0}))
    hold_to(path, Settings(name="b", inner={"x": 2.0}), free=("name", "inner.x"))
    assert Settings.read(path).name == "a"
    with pytest.raises(ValueError, match=r"\(inner.x was 1.0, now 2.0\)"):
        hold_to(path, Settings(name="b", inner={"x": 2.0}), free=("name",))


def test_settings_that_nothing_was_made_with_are_replaced(tmp_path):
    path = tmp_path / "settings.json"
    hold_to(path, Settings(name="a"))
    hold_to(path, Settings(name="b"), may_replace=lambda recorded: recorded == Settings(name="a"))
    assert Settings.read(path).name == "b"
    with pytest.raises(ValueError, match="name was b, now c"):
        hold_to(path, Settings(name="c"), may_replace=lambda recorded: recorded == Settings(name="a"))


def test_settings_that_cannot_be_read_stay_unless_nothing_was_made_with_them(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"settings\.json is not strict JSON"):
        hold_to(path, Settings(name="a"))
    hold_to(path, Settings(name="a"), may_replace=lambda recorded: recorded is None)
    assert Settings.read(path).name == "a"


def test_of_two_that_come_first_at_once_one_writes_the_settings(tmp_path, monkeypatch):
    """Another process writes them just after ours found none."""
    path = tmp_path / "settings.json"
    real = sealed_folder.locked

    def overtaken(lock_file, *, wait):
        monkeypatch.setattr(sealed_folder, "locked", real)
        hold_to(path, Settings(name="theirs"))
        return real(lock_file, wait=wait)

    monkeypatch.setattr(sealed_folder, "locked", overtaken)
    with pytest.raises(ValueError, match="name was theirs, now ours"):
        hold_to(path, Settings(name="ours"))
    assert Settings.read(path).name == "theirs"


def test_settings_are_written_while_the_folder_is_locked(tmp_path, monkeypatch):
    seen = []
    real = Settings.write

    def write_settings(self, path):
        with locked(path.with_name(f".{path.name}.lock"), wait=False) as ours:
            seen.append(ours)
        real(self, path)

    monkeypatch.setattr(Settings, "write", write_settings)
    hold_to(tmp_path / "settings.json", Settings(name="a"))
    assert seen == [False]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot write .*file.*: free space there"):
        hold_to(tmp_path / "file" / "settings.json", Settings(name="a"))
    with pytest.raises(WriteError, match="cannot write .*file"), locked(tmp_path / "file" / ".lock", wait=False):
        pass


def test_a_lock_is_held_until_its_process_is_killed(tmp_path):
    lock_file = tmp_path / "new" / ".lock"
    program = f"""
import pathlib, sys
from hoibench.store.sealed_folder import locked
with locked(pathlib.Path({str(lock_file)!r}), wait=False) as ours:
    print(ours, flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "True\n"
    with locked(lock_file, wait=False) as ours:
        assert not ours
    process.kill()
    process.communicate()
    for _ in range(2):
        with locked(lock_file, wait=True) as ours:
            assert ours


def test_a_lock_is_held_against_its_own_thread(tmp_path):
    with locked(tmp_path / ".lock", wait=False), locked(tmp_path / ".lock", wait=False) as ours:
        assert not ours


def test_who_waits_for_a_lock_gets_it_when_the_other_lets_go(tmp_path):
    held, seen = threading.Event(), []

    def hold():
        with locked(tmp_path / ".lock", wait=False):
            held.set()
            time.sleep(0.3)
            seen.append("let go")

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(10)
    with locked(tmp_path / ".lock", wait=True) as ours:
        seen.append(ours)
    other.join()
    assert seen == ["let go", True]


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, caplog):
    def acquire(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with caplog.at_level(logging.WARNING), locked(tmp_path / ".lock", wait=True) as ours:
        assert ours
    assert "cannot be locked" in caplog.text
