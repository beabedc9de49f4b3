"""Preparation of a split in worker processes; sequences that fail are reported and skipped."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2

from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.download import TacoDownload
from hoibench.datasets.taco.hand.hand_models import HandModel, truth_kind
from hoibench.datasets.taco.prepare.format import check_truth
from hoibench.datasets.taco.prepare.sequence import SequencePreparation
from hoibench.datasets.taco.protocol import MODALITIES, Recipe
from hoibench.datasets.taco.recording import Recording
from hoibench.processes import TaskPool, WorkerCrash
from hoibench.store.atomic import WriteError, as_write_error
from hoibench.video import DEFAULT_DECODER, Decoder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LineResult:
    """The result of preparing the clip of one line of a split.

    Attributes:
        key: YYYYMMDD_NNN, the id of the clip's sequence.
        status: ``created`` (at least one new view), ``skipped`` (everything existed) or ``failed``.
        reason: why it failed; empty if it did not.
        source_view_error: why the clip has no source view (an input of video-to-video methods); None if it has one, or if the line names none.
        created_views: serials of the new views.
        warnings: what the checks of the new views found that is no reason to refuse them.
    """

    key: str
    status: Literal["created", "skipped", "failed"]
    reason: str = ""
    source_view_error: str | None = None
    created_views: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreparationReport:
    """The results of preparing all lines of a split, by sequence key (YYYYMMDD_NNN).

    Attributes:
        created: keys of the sequences with new views.
        skipped: keys of the sequences that were already prepared.
        failed: key -> why the sequence failed.
        source_view_errors: key -> why a prepared sequence has no source view.
        warnings: key -> what the checks of its new views found that is no reason to refuse them.
    """

    created: tuple[str, ...]
    skipped: tuple[str, ...]
    failed: dict[str, str]
    source_view_errors: dict[str, str]
    warnings: dict[str, tuple[str, ...]]


def summarize(results: Sequence[LineResult]) -> PreparationReport:
    """Return the report of all results; a sequence with several lines counts as failed if one failed, else as created if one was created."""
    failed = {result.key: result.reason for result in results if result.status == "failed"}
    created = {result.key for result in results if result.status == "created"} - set(failed)
    skipped = {result.key for result in results} - created - set(failed)
    no_source = {r.key: r.source_view_error for r in results if r.source_view_error is not None and r.key not in failed}
    warnings: dict[str, tuple[str, ...]] = {}
    for result in results:  # several lines of a sequence have the same warnings of its hands and objects
        warnings[result.key] = tuple(dict.fromkeys((*warnings.get(result.key, ()), *result.warnings)))
    return PreparationReport(
        tuple(sorted(created)),
        tuple(sorted(skipped)),
        dict(sorted(failed.items())),
        dict(sorted(no_source.items())),
        {key: texts for key, texts in sorted(warnings.items()) if texts},
    )


def prepare_line(download: TacoDownload, line: SplitLine, out: Path, model: HandModel) -> LineResult:
    """Prepare the clip of a split's line in ``out`` and, if possible, its source view, which only video-to-video methods need.

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged, or ``out`` was prepared from other data; see ``SequencePreparation``.
        WriteError: ``out`` cannot be written.
    """
    return _prepare(line, _open_preparation(download, line, out, model))


def _open_preparation(
    download: TacoDownload, line: SplitLine, out: Path, model: HandModel, decoder: Decoder = DEFAULT_DECODER
) -> SequencePreparation:
    recording = Recording(download, download.sequence(line.entry.id), model)
    return SequencePreparation(recording, out, Recipe.parse(line.recipe), decoder)


def _prepare(line: SplitLine, preparation: SequencePreparation) -> LineResult:
    created = preparation.prepare_views(line.entry.camera_ids)
    source_view_error = None
    if line.source is not None:
        try:
            created += preparation.prepare_views([line.source])
        except WriteError:
            raise
        except (OSError, ValueError) as error:
            is_downloaded = line.source in preparation.recording.sequence.videos(MODALITIES[preparation.recipe.video])
            not_downloaded = f"camera {line.source} was not downloaded"
            source_view_error = " ".join(str(error).split()) if is_downloaded else not_downloaded
    status: Literal["created", "skipped"] = "created" if created else "skipped"
    return LineResult(
        line.entry.id,
        status,
        source_view_error=source_view_error,
        created_views=created,
        warnings=tuple(preparation.warnings),
    )


def prepare_all(
    download: TacoDownload,
    lines: Sequence[SplitLine],
    out: Path,
    *,
    model: HandModel,
    workers: int = 1,
    device: str | None = None,
    on_result: Callable[[LineResult], None] | None = None,
) -> PreparationReport:
    """Prepare the clips of some lines of a split in worker processes, and return the report; intact clips are skipped.

    Args:
        download: the download.
        lines: lines of one or more splits.
        out: the folder of prepared clips.
        model: the model that turns hand poses into surfaces, from ``choose_hand_model``.
        workers: number of processes; each prepares one sequence at a time, and reads its files once for all of its lines.
        device: the kind of device that decodes videos, e.g. ``cuda``; see ``Decoder``.
        on_result: called with each line's result.

    Raises:
        ValueError: ``out`` was prepared with another hand model or another kind of truth.
        WriteError: the disk is full or ``out`` cannot be written; completed clips are kept, and the same command resumes.
        KeyboardInterrupt: interrupted by the user; completed clips are kept.
    """
    with as_write_error(out):
        out.mkdir(parents=True, exist_ok=True)
    check_truth(out, truth_kind(download.hand_model, model), model.identity)
    results = []
    decoder = Decoder(max(1, (os.cpu_count() or 1) // workers), device)
    pool = TaskPool(workers, _start_worker, (download.root, out, model, decoder))
    with closing(pool.results(_prepare_in_worker, lines, group=lambda line: line.entry.id)) as line_results:
        for line, result in line_results:
            if isinstance(result, WorkerCrash):
                result = LineResult(line.entry.id, "failed", str(result))
            results.append(result)
            if on_result is not None:
                on_result(result)
    return summarize(results)


@dataclass
class _Worker:
    """The state of a worker process; ``last`` is the preparation of the sequence and recipe of the line before."""

    download: TacoDownload
    out: Path
    model: HandModel
    decoder: Decoder
    last: SequencePreparation | None = None

    def preparation(self, line: SplitLine) -> SequencePreparation:
        last, wanted = self.last, (line.entry.id, Recipe.parse(line.recipe))
        if last is None or (last.recording.sequence.key, last.recipe) != wanted:
            self.last = None  # frees its memory first
            last = self.last = _open_preparation(self.download, line, self.out, self.model, self.decoder)
        return last


_worker: _Worker | None = None


def _start_worker(root: Path, out: Path, model: HandModel, decoder: Decoder) -> None:
    global _worker
    cv2.setNumThreads(1)
    _worker = _Worker(TacoDownload(root), out, model, decoder)


def _prepare_in_worker(line: SplitLine) -> LineResult:
    assert _worker is not None
    key = line.entry.id
    try:
        return _prepare(line, _worker.preparation(line))
    except WriteError:
        raise
    except (ValueError, FileNotFoundError) as error:
        return LineResult(key, "failed", " ".join(str(error).split()))
    except Exception as error:  # an unexpected fault in one sequence must not stop the others
        log.exception("sequence %s cannot be prepared", key)
        return LineResult(key, "failed", f"{type(error).__name__}: {error}")
