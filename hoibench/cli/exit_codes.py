"""Exit codes of commands, and one message for each error: the file or value, and the fix."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hoibench.errors import Crash, is_disk_full
from hoibench.text import printable

log = logging.getLogger(__name__)

CRASH, USAGE, INTERRUPTED = 1, 2, 130
MODEL_LIBRARIES = (
    "accelerate", "deepspeed", "diffusers", "ftfy", "safetensors", "spconv", "tensorboard", "transformers",
)  # fmt: skip
"""Libraries that only the reference model needs."""


@contextmanager
def as_crash() -> Iterator[None]:
    """Turn errors into a ``Crash``, around work that valid arguments cannot make fail; a full disk stays an ``OSError``.

    Raises:
        Crash: from the error.
    """
    try:
        yield
    except Exception as error:
        if is_disk_full(error):
            raise
        raise Crash(f"{type(error).__name__}: {error}") from error


def to_exit_code(command: Callable[[Sequence[str]], int], arguments: Sequence[str], *, resumable: bool = True) -> int:
    """Run a command and return its exit code: 2 for usage errors, 1 for a full disk or a crash, 130 for Ctrl-C.

    Args:
        command: takes the command-line arguments, returns the exit code.
        arguments: the command-line arguments.
        resumable: True if the same command resumes an interrupted one, as the message then says.
    """
    if os.environ.get("HOIBENCH_DEBUG"):
        return command(arguments)
    try:
        return command(arguments)
    except KeyboardInterrupt:
        hint = "; completed work is kept: give the same command again to resume" if resumable else ""
        print(f"interrupted{hint}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return CRASH
    except Exception as error:
        message, code = _message_and_code(error, resumable)
        if code == CRASH and not is_disk_full(error) and not _is_for_users(error):
            log.error("crashed", exc_info=error)
        print(f"error: {printable(message)}", file=sys.stderr)
        return code


def _is_for_users(error: Exception) -> bool:
    """Return True if the message was written for users, who need no traceback."""
    return isinstance(error, Crash) and error.__cause__ is None


def _message_and_code(error: Exception, resumable: bool) -> tuple[str, int]:
    if isinstance(error, OSError):
        return _os_error_message(error, resumable)
    if isinstance(error, ModuleNotFoundError):
        library = (error.name or "").split(".")[0]
        extra = "rerun" if library == "rerun" else "model" if library in MODEL_LIBRARIES else "metrics"
        return f"{error.name} is not installed: pip install 'hoibench[{extra}]'", USAGE
    if isinstance(error, ValueError):
        return str(error), USAGE
    message = str(error) if isinstance(error, Crash) else f"{type(error).__name__}: {error}"
    return message, CRASH


def _os_error_message(error: OSError, resumable: bool) -> tuple[str, int]:
    """Use the error's own text where it is not the system's."""
    has_own_text = error.strerror not in (None, os.strerror(error.errno or 0))
    if not is_disk_full(error):
        return (str(error.strerror) if has_own_text else str(error)), USAGE
    message = error.strerror if has_own_text else f"no space left while writing {error.filename or 'a file'}"
    hint = "; completed work is kept" if resumable else ""
    return f"{message}{hint}: free some space and give the same command again", CRASH
