"""Preparation of a whole split: sequences side by side in worker processes; a broken one is reported and skipped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.download import TacoDownload
from hoibench.datasets.taco.hand.hand_models import HandModel, truth_kind
from hoibench.datasets.taco.prepare.format import refuse_other_truth
from hoibench.datasets.taco.prepare.sequence import Preparation
from hoibench.datasets.taco.protocol import MODALITIES, Recipe
from hoibench.datasets.taco.recording import Recording
from hoibench.processes import TaskPool, WorkerCrash
from hoibench.store.atomic import WriteError, as_write_error

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LineResult:
    """The outcome of preparing one line of a split.

    Attributes:
        key: YYYYMMDD_NNN.
        status: ``made`` (at least one view of it was), ``kept`` (all was there), or ``broken``.
        reason: why it is broken, else empty.
        source_view_error: why a clip that was made or kept has no source view; None where it has one, or its line names none.
        made: serials of the views that were made; the others were there.
    """

    key: str
    status: Literal["made", "kept", "broken"]
    reason: str = ""
    source_view_error: str | None = None
    made: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The outcomes of all lines, by key.

    Attributes:
        made, kept: the sequences whose clips are there now.
        broken: why the others are not.
        source_view_errors: why some of the former have no source view.
    """

    made: tuple[str, ...]
    kept: tuple[str, ...]
    broken: dict[str, str]
    source_view_errors: dict[str, str]


def summarize(results: Sequence[LineResult]) -> Report:
    """The report of some results; a sequence of several lines is as badly off as the worst of them."""
    broken = {result.key: result.reason for result in results if result.status == "broken"}
    made = {result.key for result in results if result.status == "made"} - set(broken)
    kept = {result.key for result in results} - made - set(broken)
    lacking = {r.key: r.source_view_error for r in results if r.source_view_error is not None and r.key not in broken}
    return Report(tuple(sorted(made)), tuple(sorted(kept)), dict(sorted(broken.items())), dict(sorted(lacking.items())))


def prepare_line(tree: TacoDownload, line: SplitLine, out: Path, model: HandModel) -> LineResult:
    """Prepare the clip of one line, and its source view if that can be made: only video-to-video methods miss it.

    Raises:
        FileNotFoundError, ValueError: the clip cannot be made, as ``prepare_views`` says.
        WriteError: ``out`` cannot be written.
    """
    recipe = Recipe.parse(line.recipe)
    preparation = Preparation(Recording(tree, tree.sequence(line.entry.id), model), out, recipe)
    made = preparation.prepare_views(line.entry.camera_ids)
    error = None
    if line.source is not None:
        try:
            made += preparation.prepare_views([line.source])
        except WriteError:
            raise
        except (OSError, ValueError) as problem:
            there = line.source in preparation.recording.sequence.videos(MODALITIES[recipe.video])
            error = " ".join(str(problem).split()) if there else f"camera {line.source} was not downloaded"
    return LineResult(line.entry.id, "made" if made else "kept", source_view_error=error, made=made)


def prepare_all(
    tree: TacoDownload,
    lines: Sequence[SplitLine],
    out: Path,
    *,
    model: HandModel,
    workers: int = 1,
    on_progress: Callable[[LineResult], None] | None = None,
) -> Report:
    """Prepare the clips of some lines into ``out``; what is there and intact is kept.

    Args:
        tree: the download.
        lines: of a split, or of several.
        out: the folder of prepared clips.
        model: the model that gives hands a surface, of ``choose_hand_model``.
        workers: processes, each with one sequence at a time.
        on_progress: called with each line's result when it is done, so that what is known is not lost with an error.

    Raises:
        ValueError: ``out`` was prepared with another hand model or from another kind of tree.
        WriteError: the disk is full or ``out`` cannot be written; what was made is kept, and the same command resumes.
        KeyboardInterrupt: the user stopped it; likewise.
    """
    with as_write_error(out):
        out.mkdir(parents=True, exist_ok=True)
    refuse_other_truth(out, truth_kind(tree.hand_model, model), model.identity)
    results = []
    pool = TaskPool(workers, _start_worker, (tree.root, out, model))
    with closing(pool.results(_prepare, lines)) as answers:
        for line, answer in answers:
            if isinstance(answer, WorkerCrash):
                answer = LineResult(line.entry.id, "broken", str(answer))
            results.append(answer)
            if on_progress is not None:
                on_progress(results[-1])
    return summarize(results)


_worker: tuple[TacoDownload, Path, HandModel] | None = None
"""The tools of this worker process: the download, the folder of prepared clips, the hand model."""


def _start_worker(root: Path, out: Path, model: HandModel) -> None:
    global _worker
    _worker = TacoDownload(root), out, model


def _prepare(line: SplitLine) -> LineResult:
    assert _worker is not None
    tree, out, model = _worker
    key = line.entry.id
    try:
        return prepare_line(tree, line, out, model)
    except WriteError:
        raise
    except (ValueError, FileNotFoundError) as error:
        return LineResult(key, "broken", " ".join(str(error).split()))
    except Exception as error:  # whatever a stranger's file brings about, the other sequences go on
        log.exception("sequence %s cannot be prepared", key)
        return LineResult(key, "broken", f"{type(error).__name__}: {error}")
