"""Preparation of a whole split: sequences side by side in processes of their own, broken ones told and skipped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hoibench.datasets.manifests import Line
from hoibench.datasets.taco.hand.hand_models import HandModel, truth_label
from hoibench.datasets.taco.layout import Tree
from hoibench.datasets.taco.prepare.origin import check_made_with
from hoibench.datasets.taco.prepare.outcomes import Outcome, Report, sum_up
from hoibench.datasets.taco.prepare.prepare_line import prepare_line
from hoibench.datasets.taco.prepare.sealed import Unwritable, writing
from hoibench.processes import TaskPool, WorkerCrash

log = logging.getLogger(__name__)


def prepare_all(
    tree: Tree,
    lines: Sequence[Line],
    out: Path,
    *,
    model: HandModel,
    workers: int = 1,
    on_progress: Callable[[Outcome], None] | None = None,
) -> Report:
    """Prepare the clips of some lines into ``out``; what is there and whole is kept.

    Args:
        tree: the download.
        lines: of a split, or of several.
        out: the folder of prepared clips.
        model: what gives hands a surface, of ``choose_hand_model``.
        workers: processes, each with one sequence at a time.
        on_progress: told of each line when it is done, so that what is known is not lost with an error.

    Raises:
        ValueError: ``out`` was prepared with another hand model or from another kind of tree.
        Unwritable: the disk is full or ``out`` cannot be written; what was made is kept, and the same command goes on from there.
        KeyboardInterrupt: the user stopped it; likewise.
    """
    with writing():
        out.mkdir(parents=True, exist_ok=True)
    check_made_with(out, truth_label(tree.hand_model, model), model.identity)
    outcomes = []
    pool = TaskPool(workers, _start_worker, (tree.root, out, model))
    with closing(pool.results(_prepare, lines)) as results:
        for line, result in results:
            outcomes.append(
                Outcome(line.entry.id, "broken", str(result)) if isinstance(result, WorkerCrash) else result
            )
            if on_progress is not None:
                on_progress(outcomes[-1])
    return sum_up(outcomes)


@dataclass(frozen=True, eq=False)
class _Bench:
    """What a worker prepares with."""

    tree: Tree
    out: Path
    model: HandModel


_bench: _Bench | None = None


def _start_worker(root: Path, out: Path, model: HandModel) -> None:
    global _bench
    _bench = _Bench(Tree(root), out, model)


def _prepare(line: Line) -> Outcome:
    assert _bench is not None
    key = line.entry.id
    try:
        prepared = prepare_line(_bench.tree, line, _bench.out, _bench.model)
    except Unwritable:
        raise
    except (ValueError, FileNotFoundError) as error:
        return Outcome(key, "broken", " ".join(str(error).split()))
    except Exception as error:  # whatever a stranger's file brings about, the other sequences go on
        log.exception("sequence %s cannot be prepared", key)
        return Outcome(key, "broken", f"{type(error).__name__}: {error}")
    return Outcome(key, "made" if prepared.made else "kept", without_source=prepared.without_source)
