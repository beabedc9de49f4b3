"""Errors as users see them: one message that names the thing and the fix, and an exit code."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

CRASH, USAGE, INTERRUPTED = 1, 2, 130


def guarded(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run a command; errors of use give 2, a full disk or a fault of ours 1, Ctrl-C 130."""

    def say(text: str) -> None:
        print(f"error: {text}", file=sys.stderr)

    if os.environ.get("HOIBENCH_DEBUG"):
        return command(arguments)
    try:
        return command(arguments)
    except KeyboardInterrupt:
        print("stopped; what was done is kept: the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return CRASH
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = error.filename or "the run's folder"
            say(
                f"no space left while writing {where}; what was done is kept: free some and give the same command again"
            )
            return CRASH
        say(str(error))
        return USAGE if isinstance(error, (FileNotFoundError, NotADirectoryError, PermissionError)) else CRASH
    except (ValueError, LookupError) as error:
        say(str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error))
        return USAGE
    except ModuleNotFoundError as error:
        say(f"{error.name} is not installed: pip install 'hoibench[metrics]'")
        return USAGE
    except Exception as error:
        log.exception("crashed")
        say(f"{type(error).__name__}: {error} (a fault in hoibench; HOIBENCH_DEBUG=1 shows where)")
        return CRASH
