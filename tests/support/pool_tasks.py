"""Functions for worker processes in tests of the pool; worker processes cannot import test modules."""

import errno
import os
import signal
import threading
import time

_folder = None


def start(folder):
    """Kill this process before any job, once for each file in the folder."""
    global _folder
    _folder = folder
    for file in folder.iterdir():
        file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


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
