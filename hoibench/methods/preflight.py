"""Checks of whether methods can start, before a run does: their classes are imported in a process of their own."""

from __future__ import annotations

from collections.abc import Sequence

from hoibench.methods.method import Entrant, Method, Runtime
from hoibench.methods.registry import IMPORT_SECONDS
from hoibench.plugins import find_source_file, load_object, locate
from hoibench.processes import OutputLog, WorkerCrash, call_once

_PRINTED_LINES = 5


def find_start_problems(
    entrants: Sequence[Entrant], runtime: Runtime, *, in_this_process: bool = False
) -> dict[str, list[str]]:
    """Return, for each entrant that cannot start, why: its class cannot be imported, or ``Method.preflight`` has found problems.

    Entrants of one class share an import.

    Args:
        entrants: entrants with an ``entry``.
        runtime: the runtime of the run.
        in_this_process: True to import the classes in this process, for a debugger.
    """
    by_entry: dict[str, list[Entrant]] = {}
    for entrant in entrants:
        by_entry.setdefault(entrant.spec.entry, []).append(entrant)
    found: dict[str, list[str]] = {}
    for group in by_entry.values():
        problems = call_preflight(group, runtime) if in_this_process else _call_in_process(group, runtime)
        found |= {key: texts for key, texts in problems.items() if texts}
    return found


def _call_in_process(entrants: Sequence[Entrant], runtime: Runtime) -> dict[str, list[str]]:
    output = OutputLog()
    try:
        return call_once(call_preflight, entrants, runtime, timeout=IMPORT_SECONDS, output=output)
    except WorkerCrash as crash:
        reason = f"{crash}, while it was imported and checked"
    except TimeoutError:
        reason = f"its import and check have not ended after {IMPORT_SECONDS:g} s"
    except Exception as error:  # not of call_preflight, which returns its errors
        reason = f"its import or check failed: {error}"
    printed = output.tail(_PRINTED_LINES)
    if printed:
        reason += "; it printed: " + " / ".join(printed.splitlines())
    return {entrant.key: [reason] for entrant in entrants}


def call_preflight(entrants: Sequence[Entrant], runtime: Runtime) -> dict[str, list[str]]:
    """Import the class of entrants that share one, and return what its ``preflight`` has found by the entrant's key."""
    entry = entrants[0].spec.entry
    try:
        method = load_object(entry)
    except (Exception, SystemExit) as error:
        return {entrant.key: [_explain_import(entrant, error)] for entrant in entrants}
    if not (isinstance(method, type) and issubclass(method, Method)):
        return {entrant.key: [f"{entry} is no class of hoibench.methods.method.Method"] for entrant in entrants}
    return {entrant.key: _find_problems(method, entrant, runtime) for entrant in entrants}


def _find_problems(method: type[Method], entrant: Entrant, runtime: Runtime) -> list[str]:
    try:
        return [*_find_memory_problem(entrant, runtime), *map(str, method.preflight(entrant, runtime))]
    except (Exception, SystemExit) as error:
        source = find_source_file(entrant.spec.entry)
        place = locate(error, source) if source is not None else ""
        return [f"its preflight raised {type(error).__name__}: {error}" + (f" ({place})" if place else "")]


def _find_memory_problem(entrant: Entrant, runtime: Runtime) -> list[str]:
    needed = entrant.needed_gpu_mb
    if needed is None:
        return []
    if runtime.device == "cpu":
        return [f"needs a GPU with {needed} MiB, the run's device is cpu"]
    import torch

    if not torch.cuda.is_available():  # the GPUs are on other machines, with --executor ray
        return []
    found = torch.cuda.get_device_properties(0).total_memory >> 20
    return [] if found >= needed else [f"needs a GPU with {needed} MiB, this one has {found} MiB"]


def _explain_import(entrant: Entrant, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        fix = entrant.spec.environment or "install it"
        return f"needs the module {error.name!r}, which is not installed: {fix}"
    return str(error) if isinstance(error, ValueError) else f"its import raised {type(error).__name__}: {error}"
