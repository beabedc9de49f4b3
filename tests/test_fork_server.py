"""Forked processes have their own folder, environment, pipes, exit code and signals."""

import os
import signal
import subprocess
import sys
import time

import fork_server
import pytest
from fork_server import fork, fork_run

SCRIPT = """
import os, sys, threading
if __name__ == "__main__":
    print(os.getcwd(), os.environ.get("COLOUR"), os.environ.get("HOME"), sys.argv[1:], threading.active_count())
    print("to stderr", file=sys.stderr)
    sys.exit(int(sys.argv[1]))
"""
ENDLESS = """
import sys, time
if __name__ == "__main__":
    print("started", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.fixture
def script(tmp_path):
    def write(text):
        (tmp_path / "script.py").write_text(text)
        return str(tmp_path / "script.py")

    return write


@pytest.fixture
def endless(script, tmp_path):
    """Start a process that sleeps, and wait until it does."""

    def start(**options):
        process = fork([script(ENDLESS)], imports="json", output=tmp_path / "output", **options)
        while process.output_text != "started\n":
            assert process.poll() is None, process.output_text
            time.sleep(0.01)
        return process

    return start


def test_a_process_has_its_own_folder_environment_arguments_and_pipes(script, tmp_path):
    (tmp_path / "inner").mkdir()
    done = fork_run([script(SCRIPT), "7", "a b"], imports="json", cwd=tmp_path / "inner", env={"COLOUR": "red"})
    assert (done.returncode, done.stderr) == (7, "to stderr\n")
    assert done.stdout == f"{tmp_path / 'inner'} red None ['7', 'a b'] 1\n"


def test_a_module_is_found_as_python_finds_it(tmp_path):
    (tmp_path / "here.py").write_text("import sys; print(__name__, sys.argv[1:])")
    there = tmp_path / "there"
    there.mkdir()
    assert fork_run(["-m", "here", "x"], imports="json", cwd=tmp_path).stdout == "__main__ ['x']\n"
    env = {"PYTHONPATH": str(tmp_path)}
    assert fork_run(["-m", "here", "x"], imports="json", cwd=there, env=env).stdout == "__main__ ['x']\n"
    assert "No module named here" in fork_run(["-m", "here"], imports="json", cwd=there).stderr


def test_a_command_prints_the_same_in_a_new_interpreter(script):
    command = [script(SCRIPT), "3"]
    fresh = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    forked = fork_run(command, imports="json")
    assert (forked.stdout, forked.stderr, forked.returncode) == (fresh.stdout, fresh.stderr, fresh.returncode)


def test_an_exception_is_printed_and_gives_exit_code_1(script):
    done = fork_run([script("raise ValueError('so')")], imports="json", merge_stderr=True)
    assert done.returncode == 1
    assert done.stdout.endswith("ValueError: so\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_signals_reach_it(endless, number, code):
    process = endless()
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    process.send_signal(number)
    assert (process.wait(60), process.poll()) == (code, code)


def test_a_process_inherits_no_files_of_another(endless, tmp_path):
    other = endless()
    (tmp_path / "second.py").write_text("import os\nprint(sorted(os.listdir('/proc/self/fd')))\n")
    done = fork_run([str(tmp_path / "second.py")], imports="json", merge_stderr=True)
    other.kill()
    assert "Warning" not in done.stdout, done.stdout
    assert len(done.stdout.split(",")) == 4, "three streams and the listing itself"


def test_a_process_may_start_a_session(endless):
    alone = endless(start_new_session=True)
    assert os.getsid(alone.pid) == alone.pid
    os.killpg(alone.pid, signal.SIGKILL)
    assert alone.wait(60) == -9


def test_a_process_over_its_timeout_is_killed(script):
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        fork_run([script(ENDLESS)], imports="json", timeout=0.5)
    assert time.monotonic() - began < 30


def test_a_worker_that_multiprocessing_spawns_finds_the_commands_module(tmp_path):
    (tmp_path / "pool.py").write_text(
        "import multiprocessing\n"
        "def double(x):\n    return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        print(pool.map(double, [1, 2]))\n"
    )
    done = fork_run(["-m", "pool"], imports="json", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("[2, 4]\n", 0), done.stderr


def test_a_function_may_be_called_and_write_to_a_file(tmp_path, monkeypatch):
    (tmp_path / "adding.py").write_text("def add(*numbers):\n    print('adding', numbers)\n    return sum(numbers)\n")
    monkeypatch.syspath_prepend(tmp_path)
    process = fork(
        ["--call", "adding:add", "[3, 4]"],
        imports="json",
        output=tmp_path / "output",
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert (process.wait(30), process.output_text) == (7, "adding (3, 4)\n")


def test_failing_imports_raise(script):
    with pytest.raises(RuntimeError, match="its error is printed above"):
        fork([script(SCRIPT)], imports="no_such_module")
    fork_server.server.cache_clear()
    assert fork_run([script(SCRIPT), "0"], imports="json").returncode == 0
