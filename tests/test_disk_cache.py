"""The cache of folders that tests share: built once per version of the code, complete or absent."""

import os
import sys
import time

import disk_cache
import pytest
from disk_cache import cached_folder
from fork_server import fork


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """An empty cache that no process has used."""
    monkeypatch.setattr(disk_cache, "FOLDER", tmp_path / "tests")
    monkeypatch.setattr(disk_cache, "used", {})
    return tmp_path / "tests"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


SLOW_BUILD = """
import os, time
from disk_cache import cached_folder

def build(folder):
    (folder / "half").touch()
    time.sleep(0.3)
    (folder / f"built-by-{os.getpid()}").touch()

if __name__ == "__main__":
    print(*sorted(path.name for path in cached_folder("thing", "1", build).iterdir()))
"""


def test_simultaneous_processes_build_a_folder_once(tmp_path):
    script = tmp_path / "build.py"
    script.write_text(SLOW_BUILD)
    env = {"HOIBENCH_CACHE": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [fork([str(script)], imports="filelock", env=env) for _ in range(4)]
    seen, said = zip(*(process.communicate(60) for process in processes), strict=True)
    assert len(seen[0].split()) == 2, said
    assert seen == (seen[0],) * 4


def test_another_name_or_version_is_another_folder():
    def build(text):
        return lambda folder: (folder / "text").write_text(text)

    folders = [cached_folder(*key, build("-".join(key))) for key in (("a", "1"), ("a", "2"), ("b", "1"))]
    assert [(one / "text").read_text() for one in folders] == ["a-1", "a-2", "b-1"]


def test_a_failed_build_leaves_nothing_and_the_next_starts_again(folder):
    def fail(folder):
        (folder / "half").touch()
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        cached_folder("thing", "1", fail)
    complete = cached_folder("thing", "1", lambda folder: (folder / "complete").touch())
    assert names(complete) == ["complete"]
    assert [name for name in names(folder) if not name.endswith(".lock")] == [complete.name]


@pytest.mark.parametrize("code", ["package", "package/*.py"])
def test_a_changed_source_file_is_another_folder(code, monkeypatch, tmp_path):
    (tmp_path / "package").mkdir()
    source = tmp_path / "package" / "code.py"
    monkeypatch.setattr(disk_cache, "ROOT", tmp_path)
    digests = []
    for text in ("a = 1", "a = 2", "a = 1"):
        source.write_text(text)
        digests.append(disk_cache.code_digest.__wrapped__((code,)))
    assert digests[0] == digests[2] != digests[1]


def test_folders_unused_for_a_day_are_removed(folder):
    old, used = (cached_folder(name, "1", lambda folder: (folder / "x").touch()) for name in ("old", "used"))
    for path, age in ((old, disk_cache.UNUSED_SECONDS + 60), (used, disk_cache.UNUSED_SECONDS - 60)):
        os.utime(path, (time.time() - age,) * 2)
    cached_folder("new", "1", lambda folder: None)
    assert not old.exists()
    assert used.exists()


@pytest.mark.parametrize("change", ["write", "add", "remove"])
def test_a_folder_that_a_test_changed_is_removed_and_the_session_fails(change):
    shared = cached_folder("thing", "1", lambda folder: (folder / "x").write_text("1"))
    state = {shared: disk_cache.files_state(shared)}
    disk_cache.remove_changed(state)
    assert shared.exists()
    {
        "write": lambda: (shared / "x").write_text("22"),
        "add": lambda: (shared / "y").touch(),
        "remove": (shared / "x").unlink,
    }[change]()
    with pytest.raises(AssertionError, match="a test wrote into"):
        disk_cache.remove_changed(state)
    assert not shared.exists()
