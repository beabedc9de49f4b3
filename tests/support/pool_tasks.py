"""Functions for worker processes in tests of the pool; worker processes cannot import test modules."""

import ctypes
import errno
import io
import os
import signal
import subprocess
import sys
import threading
import time

from hoibench import processes

_folder = None


def use_folder(folder):
    global _folder
    _folder = folder


def start(folder):
    """Kill this process before any job, once for each file in the folder."""
    use_folder(folder)
    for file in folder.iterdir():
        file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def own_process(_job):
    return os.getpid()


def upper_case(job):
    if job == "die":
        os._exit(9)
    if job == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if job == "sleep":
        time.sleep(600)
    return job.upper()


def write_end_file():
    (_folder / "end").touch()


def describe_process(job):
    return {
        "folder": os.getcwd(),
        "set later": os.environ.get("SET_LATER"),
        "threads": len(os.listdir("/proc/self/task")),
        "ignores SIGINT": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
        "imported": "decimal" in sys.modules,
    }


def sleep_long():
    time.sleep(600)


def exit_soon():
    threading.Timer(0.5, lambda: os._exit(9)).start()


def fail_to_start():
    raise ImportError("no such library")


def start_threads():
    """Do nothing."""


def count_threads(_):
    """Return the number of threads of BLAS and torch in this process, by library."""
    import numpy  # noqa: F401
    import torch
    from threadpoolctl import threadpool_info

    found = {f"{each['internal_api']}": each["num_threads"] for each in threadpool_info()}
    return found | {"torch": torch.get_num_threads()}


def leave_processes(end):
    """Start processes that do not end by themselves, write a file for each into the folder, named by its kind and id, and end as told."""
    record("worker", os.getpid())
    for _ in range(50):
        record("child", subprocess.Popen(["/bin/sleep", "600"]).pid)
    record("session", subprocess.Popen(["/bin/sleep", "600"], start_new_session=True).pid)
    if pid := os.fork():
        record("fork", pid)
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    detach = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    print(os.getpid(), flush=True)\n    os.closerange(0, 3)\n    time.sleep(600)"
    detached = subprocess.run([sys.executable, "-c", detach], stdout=subprocess.PIPE, check=True).stdout
    record("orphan", int(detached))
    (_folder / "complete").touch()
    if end == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if end == "exit":
        os._exit(0)
    if end == "ignore SIGTERM":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if end != "return":
        time.sleep(600)


def fork_and_return(_):
    """Return the id of this process, and in a fork of it, which comes first, the fork's."""
    if fork := os.fork():
        os.waitpid(fork, 0)
    return os.getpid()


def record(kind, pid):
    (_folder / f"{kind}-{pid}").touch()


def interrupt(_):
    raise KeyboardInterrupt("from a method")


class Unsendable(Exception):
    def __init__(self, one, two):
        super().__init__(f"two arguments {one} {two}")


def raise_unsendable(_):
    raise Unsendable(1, 2)


def send_three():
    for number in range(3):
        processes.send(number)
    return "result"


def print_everywhere(end):
    """Print by Python, by C code (buffered), to the descriptors and from a child, then end as told."""
    print("by print")
    ctypes.CDLL(None).printf(b"by C\n")
    os.write(1, b"by write\n")
    os.write(2, b"to stderr\n")
    subprocess.run(["/bin/echo", "by a child"], check=True)
    print("\x1b[31m10%\r90%\x1b[0m without a newline", end="")
    if end == "crash":
        ctypes.string_at(0)
    if end == "error":
        raise ValueError("an error")


def print_lines(count):
    for number in range(count):
        print(f"line {number}")


def print_twice():
    print("one")
    time.sleep(0.1)
    print("two")


def close_stdout(folder):
    """Close standard output, take its number for a file, and leave both so."""
    print("before")
    sys.stdout.close()
    os.close(1)
    return os.open(folder / "file", os.O_WRONLY | os.O_CREAT)


def replace_stdout():
    sys.stdout = sys.stderr = io.StringIO()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
