"""A command in a process tree of its own."""

import os
import re
import sys

import pytest

from hoibench.methods.command import CommandFailed, Limits, run_command


def run_python(code, folder, *words, limits=None):
    run_command(
        [sys.executable, "-c", code, *words], cwd=folder, env={"ONLY": "this", "PATH": os.environ["PATH"]}, limits=limits or Limits()
    )  # fmt: skip


def test_a_command_gets_its_words_folder_and_environment_and_no_input(tmp_path):
    code = (
        "import json, os, sys; assert sys.stdin.read() == '';"
        "open('seen.txt', 'w').write(json.dumps([sys.argv[1:], os.getcwd(), os.environ.get('ONLY'), 'HOME' in os.environ]))"
    )
    folder = tmp_path / "a folder"
    folder.mkdir()
    run_python(code, folder, "$HOME *; exit 1", "")
    assert (folder / "seen.txt").read_text() == f'[["$HOME *; exit 1", ""], "{folder}", "this", false]'


@pytest.mark.parametrize(
    ("code", "limits", "reason"),
    [
        ("raise SystemExit(3)", None, "ended by itself with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", None, "was killed by SIGKILL: out of memory, or from outside"),
        ("bytearray(1 << 30)", Limits(memory_bytes=1 << 29), "exit code 1"),
        ("open('f', 'wb').truncate(1 << 20)", Limits(file_bytes=1 << 19), "exit code 1"),
        (
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('f', 'wb').truncate(1 << 20)",
            Limits(file_bytes=1 << 19),
            "it has written a file of 524288 bytes, all that the disk has free",
        ),
    ],
    ids=["exit", "signal", "memory", "file", "file signal"],
)
def test_a_failure_has_a_reason(code, limits, reason, tmp_path):
    with pytest.raises(CommandFailed, match=re.escape(reason)):
        run_python(code, tmp_path, limits=limits)


def test_limits_beyond_what_the_system_can_count_are_none(tmp_path):
    run_python("", tmp_path, limits=Limits(memory_bytes=1 << 90, file_bytes=1 << 90))


def test_a_missing_program_is_named(tmp_path):
    with pytest.raises(CommandFailed, match="No such file or directory: 'no-such-program'"):
        run_command(["no-such-program"], cwd=tmp_path, env={}, limits=Limits())


def test_after_a_time_out_nothing_that_the_command_has_started_runs(tmp_path):
    code = (
        "import subprocess, time; p = subprocess.Popen(['sleep', '1000'], start_new_session=True);"
        "open('pid', 'w').write(str(p.pid)); time.sleep(1000)"
    )
    with pytest.raises(TimeoutError):
        run_python(code, tmp_path, limits=Limits(seconds=1.5))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
