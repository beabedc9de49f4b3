"""Imports the modules that ``start_preloading`` has named; only the fork server, multiprocessing's, imports this module."""

import ctypes
import gc
import importlib
import os
import signal
import sys
from contextlib import suppress

from hoibench.processes.preloading import MODULES_VARIABLE

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def _import_in_silence(names: list[str]) -> None:
    saved = [os.dup(number) for number in (1, 2)]
    with open(os.devnull, "w") as null:  # noqa: PTH123
        for number in (1, 2):
            os.dup2(null.fileno(), number)
    for name in names:
        with suppress(Exception, SystemExit):  # the process that needs the module raises the error
            importlib.import_module(name)
    for stream, number, copy in zip((sys.stdout, sys.stderr), (1, 2), saved, strict=True):
        stream.flush()
        os.dup2(copy, number)
        os.close(copy)


if modules := os.environ.get(MODULES_VARIABLE):
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # if it is killed while this process imports
    _import_in_silence(modules.split(","))
    gc.collect()
    gc.freeze()  # so that forked processes share the memory
