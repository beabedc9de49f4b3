"""Locks exclude other processes and threads, and end with their process."""

import errno
import logging
import subprocess
import sys
import threading
import time

import filelock
import pytest

from hoibench.store.atomic import WriteError
from hoibench.store.locks import locked


def test_a_lock_lasts_until_its_process_is_killed(tmp_path):
    lock_file = tmp_path / "new" / ".lock"
    program = f"""
import pathlib, sys
from hoibench.store.locks import locked
with locked(pathlib.Path({str(lock_file)!r}), wait=False) as acquired:
    print(acquired, flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "True\n"
    with locked(lock_file, wait=False) as acquired:
        assert not acquired
    process.kill()
    process.communicate()
    for _ in range(2):
        with locked(lock_file, wait=True) as acquired:
            assert acquired


def test_a_lock_excludes_its_own_thread(tmp_path):
    with locked(tmp_path / ".lock", wait=False), locked(tmp_path / ".lock", wait=False) as acquired:
        assert not acquired


def test_a_waiting_thread_gets_the_lock_when_it_is_released(tmp_path):
    held, seen = threading.Event(), []

    def hold():
        with locked(tmp_path / ".lock", wait=False):
            held.set()
            time.sleep(0.3)
            seen.append("released")

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(10)
    with locked(tmp_path / ".lock", wait=True) as acquired:
        seen.append(acquired)
    other.join()
    assert seen == ["released", True]


def test_a_file_system_without_locks_gives_a_warning(tmp_path, monkeypatch, caplog):
    def acquire(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with caplog.at_level(logging.WARNING), locked(tmp_path / ".lock", wait=True) as acquired:
        assert acquired
    assert "cannot be locked" in caplog.text


def test_a_lock_in_an_unwritable_place_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot write .*file"), locked(tmp_path / "file" / ".lock", wait=False):
        pass
