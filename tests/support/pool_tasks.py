"""Functions that the processes of a tested pool run: they import them by name, which they could not do with a test module."""

import errno
import os
import signal
import threading
import time

_folder = None


def start(folder):
    """Die before any job, as often as there are notes in the folder."""
    global _folder
    _folder = folder
    for note in folder.iterdir():
        note.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def answer(job):
    if job == "die":
        os._exit(9)
    if job == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if job == "sleep":
        time.sleep(600)
    return job.upper()


def note_the_end():
    (_folder / "end").touch()


def sleep_long():
    time.sleep(600)


def die_soon():
    threading.Timer(0.5, lambda: os._exit(9)).start()


def fail_to_start():
    raise ImportError("no such library")


def start_threads():
    """Do nothing."""


def threads_here(_):
    """The number of threads that BLAS and torch have in this process, by library."""
    import numpy  # noqa: F401
    import torch
    from threadpoolctl import threadpool_info

    found = {f"{each['internal_api']}": each["num_threads"] for each in threadpool_info()}
    return found | {"torch": torch.get_num_threads()}
