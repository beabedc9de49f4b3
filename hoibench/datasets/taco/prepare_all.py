"""Preparation of a whole split: sequences side by side in processes of their own, broken ones told and skipped."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pebble import ProcessExpired, ProcessPool

from hoibench.datasets.manifests import Line
from hoibench.datasets.taco.hand_models import HandModel, choose_hand_model
from hoibench.datasets.taco.layout import Tree
from hoibench.datasets.taco.preparation import prepare_sequence
from hoibench.datasets.taco.protocol import MODALITIES, Recipe
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.sealed import Unwritable, writing
from hoibench.processes import die_with_parent

log = logging.getLogger(__name__)

_PATIENCE = 0.2  # seconds between looks at Ctrl-C


@dataclass(frozen=True)
class Outcome:
    """What became of one line: ``made`` (something of it was), ``kept`` (all was there) or ``broken``, with the reason."""

    key: str
    status: Literal["made", "kept", "broken"]
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """What became of all lines: keys of the sequences made and kept, and why the others are broken."""

    made: tuple[str, ...]
    kept: tuple[str, ...]
    broken: dict[str, str]


def prepare_all(
    tree: Tree,
    lines: Sequence[Line],
    out: Path,
    *,
    mano: Path | None = None,
    workers: int = 1,
    on_progress: Callable[[Outcome], None] | None = None,
) -> Report:
    """Prepare the clips of some lines into ``out``; what is there and whole is kept.

    Args:
        tree: the download.
        lines: of a split, or of several.
        out: the folder of prepared clips.
        mano: the folder of MANO's files, as for ``choose_hand_model``.
        workers: processes, each with one sequence at a time.
        on_progress: told of each line when it is done.

    Raises:
        Unwritable: the disk is full or ``out`` cannot be written; what was made is kept, and the same command goes on from there.
        FileNotFoundError, ValueError: MANO's files are missing or broken.
        KeyboardInterrupt: the user stopped it; likewise.
    """
    model = choose_hand_model(tree.hand_model, mano)
    with writing():
        out.mkdir(parents=True, exist_ok=True)
    outcomes = []
    context = multiprocessing.get_context("spawn")  # fork is not safe beside the threads of a video decoder
    pool: Any = ProcessPool(workers, initializer=_start_worker, initargs=(tree.root, out, model), context=context)
    try:
        waiting = {pool.schedule(_prepare, args=(line,)): line for line in lines}
        while waiting:
            for future in wait(waiting, timeout=_PATIENCE, return_when=FIRST_COMPLETED).done:
                outcomes.append(_outcome(waiting.pop(future), future))
                if on_progress is not None:
                    on_progress(outcomes[-1])
        pool.close()
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.join()
    return _report(outcomes)


def prepare_line(tree: Tree, line: Line, out: Path, model: HandModel) -> tuple[str, ...]:
    """Prepare the clip of one line, and its source view where that camera's video is there; the serials of the views that were made.

    Raises:
        FileNotFoundError, ValueError: as ``prepare_sequence``; where only the source view is to blame, the clip was made all the same.
        Unwritable: ``out`` cannot be written.
    """
    recipe = Recipe.parse(line.recipe)
    sequence = tree.sequence(line.entry.id)
    recording = Recording(tree, sequence, model)
    if line.source is None or line.source not in sequence.videos(MODALITIES[recipe.video]):
        return prepare_sequence(recording, out, line.entry.serials, recipe)
    try:
        return prepare_sequence(recording, out, (*line.entry.serials, line.source), recipe)
    except (FileNotFoundError, ValueError):
        prepare_sequence(recording, out, line.entry.serials, recipe)
        raise


def _outcome(line: Line, future: Any) -> Outcome:
    error = future.exception()
    if isinstance(error, ProcessExpired):
        reason = f"its process ended with code {error.exitcode}: killed from outside, or out of memory"
        return Outcome(line.entry.id, "broken", reason)
    outcome: Outcome = future.result()
    return outcome


def _report(outcomes: Sequence[Outcome]) -> Report:
    broken = {outcome.key: outcome.reason for outcome in outcomes if outcome.status == "broken"}
    made, kept = (
        tuple(sorted({o.key for o in outcomes if o.status == status} - set(broken))) for status in ("made", "kept")
    )
    return Report(made, tuple(key for key in kept if key not in made), dict(sorted(broken.items())))


@dataclass(frozen=True, eq=False)
class _Bench:
    """What a worker prepares with."""

    tree: Tree
    out: Path
    model: HandModel


_bench: _Bench | None = None


def _start_worker(root: Path, out: Path, model: HandModel) -> None:
    global _bench
    die_with_parent()
    _bench = _Bench(Tree(root), out, model)


def _prepare(line: Line) -> Outcome:
    assert _bench is not None
    key = line.entry.id
    try:
        made = prepare_line(_bench.tree, line, _bench.out, _bench.model)
    except Unwritable:
        raise
    except (ValueError, FileNotFoundError) as error:
        return Outcome(key, "broken", " ".join(str(error).split()))
    except Exception as error:  # whatever a stranger's file brings about, the other sequences go on
        log.exception("sequence %s cannot be prepared", key)
        return Outcome(key, "broken", f"{type(error).__name__}: {error}")
    return Outcome(key, "made" if made else "kept")
