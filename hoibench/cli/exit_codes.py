"""Errors as users see them: one message that names the thing and the fix, and an exit code."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hoibench.errors import Crash, is_disk_full

log = logging.getLogger(__name__)

CRASH, USAGE, INTERRUPTED = 1, 2, 130
OF_MODEL = ("accelerate", "deepspeed", "diffusers", "ftfy", "safetensors", "spconv", "tensorboard", "transformers")
"""What only the reference model needs."""


@contextmanager
def as_crash() -> Iterator[None]:
    """Around work that no command line can make fail: what goes wrong inside is a crash, unless the disk is full.

    Raises:
        Crash: from the error.
    """
    try:
        yield
    except Exception as error:
        if is_disk_full(error):
            raise
        raise Crash(f"{type(error).__name__}: {error}") from error


def to_exit_code(command: Callable[[Sequence[str]], int], arguments: Sequence[str], *, keeps: bool = True) -> int:
    """Run a command; errors of use give 2, a full disk or a crash 1, Ctrl-C 130.

    Args:
        command: takes the words of the command line, returns the exit code.
        arguments: the words.
        keeps: whether the same command, given again, goes on from what is done, of which users are told.
    """
    if os.environ.get("HOIBENCH_DEBUG"):
        return command(arguments)
    try:
        return command(arguments)
    except KeyboardInterrupt:
        kept = "; what was done is kept: the same command goes on from there" if keeps else ""
        print(f"stopped{kept}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return CRASH
    except Exception as error:
        told, code = _explain(error, keeps)
        if code == CRASH and not is_disk_full(error) and not _is_told(error):
            log.error("crashed", exc_info=error)
        print(f"error: {told}", file=sys.stderr)
        return code


def _is_told(error: Exception) -> bool:
    """Whether the error is a sentence that was written for users, so that a traceback would only hide it."""
    return isinstance(error, Crash) and error.__cause__ is None


def _explain(error: Exception, keeps: bool) -> tuple[str, int]:
    if isinstance(error, OSError):
        return _explain_system(error, keeps)
    if isinstance(error, ModuleNotFoundError):
        extra = "model" if (error.name or "").split(".")[0] in OF_MODEL else "metrics"
        return f"{error.name} is not installed: pip install 'hoibench[{extra}]'", USAGE
    if isinstance(error, ValueError):
        return str(error), USAGE
    what = str(error) if isinstance(error, Crash) else f"{type(error).__name__}: {error}"
    return what, CRASH


def _explain_system(error: OSError, keeps: bool) -> tuple[str, int]:
    """The words for what the system refused: our own where the error has them."""
    ours = error.strerror not in (None, os.strerror(error.errno or 0))
    if not is_disk_full(error):
        return (str(error.strerror) if ours else str(error)), USAGE
    where = error.strerror if ours else f"no space left while writing {error.filename or 'a file'}"
    kept = "; what was done is kept" if keeps else ""
    return f"{where}{kept}: free some space and give the same command again", CRASH
