"""Calls that exceed limits, for processes of tests."""

import ctypes
import resource
import time
from pathlib import Path


def allocate(count):
    return len(bytearray(count))


def work(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def sleep():
    time.sleep(600)


def crash():
    ctypes.string_at(0)


def write_file(path, count):
    Path(path).write_bytes(bytes(count))


def fail():
    raise KeyError("missing")


def core_limit():
    return resource.getrlimit(resource.RLIMIT_CORE)[0]
