"""A scorer: loads the metrics' networks once and scores stored predictions; it also builds the predictions that need no method."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Hashable
from dataclasses import asdict, replace
from pathlib import Path

from hoibench.clip import Prediction
from hoibench.clip_entry import ClipEntry
from hoibench.clip_file import CLIP_FILE, clip_folder, write_clip
from hoibench.datasets.base import Grid
from hoibench.evaluation.failures import FAILURE_FILE, record_exception
from hoibench.evaluation.measure import RowKey, measure, to_row
from hoibench.evaluation.reference_predictions import build_reference, freeze
from hoibench.evaluation.request import build_request
from hoibench.evaluation.stage_times import StageTimes
from hoibench.evaluation.stored_predictions import read_stored_prediction
from hoibench.evaluation.unit import Unit, UnitReport, delete_results
from hoibench.evaluation.worker import ClipLoader, LoadedClip, WorkerContext
from hoibench.methods.check import check_outputs, check_prediction
from hoibench.methods.spec import Spec
from hoibench.metric_card import Card
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement
from hoibench.predictions import (
    decode_prediction,
    find_prediction,
    is_complete,
    output_digests,
    read_prediction,
    read_prediction_record,
    trim_prediction,
    write_prediction,
)
from hoibench.problems import raise_if_any
from hoibench.processes import send
from hoibench.reference_rows import FROZEN_SELF, PUBLISHED
from hoibench.results.result_row import ResultRow
from hoibench.results.score_file import append_finished, append_metric, read_finished, read_scores
from hoibench.store import remove_temporary_files, sync
from hoibench.submissions.limited import LimitedProcess, LimitExceeded
from hoibench.submissions.prediction_check import check_prediction as check_stored_files
from hoibench.text import count

log = logging.getLogger(__name__)

RETRIED_STATUSES = ("unavailable", "error")
"""Statuses that a resumed run scores again: weights may have been fetched, a scorer may have been fixed."""


class SourcePredictionFailed(FileNotFoundError):
    """The prediction that this one is built from failed; its own failure is in the rows but is not counted again."""


class MetricsFailed(RuntimeError):
    """Metrics raised errors on a clip; their rows say ``error``, and the method is not at fault."""


class Scorer:
    """Scores predictions with the metrics of a run, clip by clip."""

    def __init__(self, context: WorkerContext) -> None:
        self.context = context
        self._clips = ClipLoader(context)
        self._reader = LimitedProcess()

    def load_clip(self, entry: ClipEntry) -> None:
        """Load a clip before its first unit is timed."""
        self._load(entry)

    def close(self) -> None:
        """End the process that reads stored predictions."""
        self._reader.close()

    def run(self, unit: Unit, entry: ClipEntry) -> UnitReport:
        """Score the metrics of a unit that have no rows yet.  A failure is recorded, not raised; without a prediction of its method nothing is done.

        Raises:
            OSError: a file of the run cannot be written, e.g. because the disk is full; the whole run must stop.
        """
        out, spec = self.context.out, self.context.entrants[unit.entrant].spec
        folder = unit.prediction_folder(out)
        stage = "load"
        has_prediction = is_complete(folder)
        if (spec.entry and not has_prediction) or (has_prediction and not self._cards_to_score(unit)):
            return UnitReport(unit, "score", did_work=False)
        times = StageTimes("score", unit.key)
        try:
            loaded = self._load(entry)
            if not has_prediction:
                stage = "generate"
                delete_results(out, unit)
                with times.step("make prediction"):
                    self._store_prediction(unit, spec, loaded)
            stage = "score"
            with times.step("read prediction"):
                if has_prediction and (self.context.rescore or _is_stored(spec)):
                    stage = "generate"
                    self._check_files(folder, spec, None, loaded)
                    stage = "score"
                prediction = decode_prediction(read_prediction(folder))
            if has_prediction:  # perhaps copied from elsewhere; one that does not fit the clip counts as failed
                stage = "generate"
                _check_shapes(prediction, spec, loaded, unit)
                stage = "score"
            self._score(unit, spec, loaded, prediction, times)
        except BaseException as error:
            if self.context.rescore and stage == "load":  # keep the existing rows
                raise
            if stage == "generate":
                unit.score_file(out).unlink(missing_ok=True)
            source_failed = isinstance(error, SourcePredictionFailed)
            failure = record_exception(out, unit, stage, error, source_failed=source_failed)
            return UnitReport(unit, "score", True, failure, source_failed)
        finally:
            times.log()
        (folder / FAILURE_FILE).unlink(missing_ok=True)
        return UnitReport(unit, "score", did_work=True)

    def _load(self, entry: ClipEntry) -> LoadedClip:
        """Load a clip, and store its truth in the run, without video and masks, unless it is there."""
        loaded = self._clips.load(entry)
        folder = clip_folder(self.context.out, entry.id)
        if not (folder / CLIP_FILE).is_file():
            write_clip(folder, replace(loaded.scored, load_video=None, load_masks=None))
        return loaded

    def _store_prediction(self, unit: Unit, spec: Spec, loaded: LoadedClip) -> None:
        """Build or read the prediction of a unit that needs no method, check it and store it in the run."""
        start = time.monotonic()
        prediction = self._build_prediction(unit, spec, loaded)
        seconds = round(time.monotonic() - start, 3)
        check_outputs(prediction, spec)
        _check_shapes(decode_prediction(prediction), spec, loaded, unit)
        folder = unit.prediction_folder(self.context.out)
        write_prediction(folder, prediction, loaded.clip.fps, unit=unit.key, seconds=seconds)

    def _build_prediction(self, unit: Unit, spec: Spec, loaded: LoadedClip) -> Prediction:
        if unit.method.startswith(FROZEN_SELF):
            source = unit.without_prefix(FROZEN_SELF).prediction_folder(self.context.out)
            if not is_complete(source):
                raise SourcePredictionFailed("skipped: depends on a prediction that failed")
            source_spec = self.context.entrants[unit.without_prefix(FROZEN_SELF).entrant].spec
            if _is_stored(source_spec):
                self._check_files(source, source_spec, None, loaded)
            return freeze(decode_prediction(read_prediction(source)))
        if spec.kind == "reference":
            return build_reference(spec.id, loaded.clip, unit.seed)
        if spec.kind == "published":
            return self._clips.dataset.published_prediction(spec.id.removeprefix(PUBLISHED), loaded.entry)
        assert spec.folder is not None  # methods with an entry are never built here
        self._check_files(find_prediction(spec.folder, unit.clip, unit.seed), spec, spec.folder, loaded)
        return read_stored_prediction(spec.folder, unit.clip, unit.seed, spec.scale)

    def _check_files(self, folder: Path, spec: Spec, root: Path | None, loaded: LoadedClip) -> None:
        """Read a stored prediction, which may be a stranger's, in a process with limits before this one reads it.

        Raises:
            ValueError: its files are damaged, do not fit the clip, or take too much memory or time; FileNotFoundError: it has none.
        """
        clip = loaded.clip
        points = 0 if clip.tracks is None else clip.tracks.world.shape[1]
        grid = Grid(len(clip.views), clip.frames, clip.size, points)
        try:
            check = self._reader.call(check_stored_files, folder, spec, root, grid)
        except LimitExceeded as error:
            raise ValueError(f"{folder} {error}") from None
        raise_if_any(check.problems)

    def _cards_to_score(self, unit: Unit) -> tuple[Card, ...]:
        """Return the cards of the metrics that a unit has no rows of, or whose rows have a status that is retried, such as ``error``."""
        if self.context.rescore:
            return self.context.cards
        scores = _read_scores(unit.score_file(self.context.out), unit)
        done = {metric for metric, rows in scores.items() if not any(row.status in RETRIED_STATUSES for row in rows)}
        return tuple(card for card in self.context.cards if card.id not in done)

    def _score(self, unit: Unit, spec: Spec, loaded: LoadedClip, stored: Prediction, times: StageTimes) -> None:
        context, scored, path = self.context, loaded.scored, unit.score_file(self.context.out)
        folder = unit.prediction_folder(context.out)
        prediction = trim_prediction(stored, scored.frames)
        case = Case(
            prediction, scored, spec.pairing, context.device, context.config.weights, context.config.batch,
            clip_memo=loaded.memo,
        )  # fmt: skip
        key = RowKey(
            unit.method, unit.clip, context.split, context.clip_set_id, unit.seed, unit.preset,
            context.config.precision, scored.truth, context.device, output_digests(stored),
        )  # fmt: skip
        video_digests = _video_digests(folder) if prediction.masks is None else None
        if context.rescore:
            remove_temporary_files(path.parent, path.name)  # temporary files of an interrupted call
        target = path.with_name(f".tmp-{secrets.token_hex(4)}-{path.name}") if context.rescore else path
        errors: list[str] = []
        statuses: set[str] = set()
        cards = self._cards_to_score(unit)
        for card in cards:
            send(card.id)
            with times.step(card.id):
                measured = _measure(case, card, video_digests, loaded)
            with times.step("write rows"):
                append_metric(target, card.id, [to_row(m, card, key) for m in measured])
            statuses |= {m.status for m in measured}
            errors += [f"{card.id}: {m.reason}" for m in measured[-1:] if m.status == "error"]
        if cards:
            if statuses.isdisjoint(RETRIED_STATUSES):
                append_finished(target, [card.id for card in context.cards])
            sync(target)
            sync(target.parent)
        if context.rescore:
            target.replace(path)
        if errors:
            raise MetricsFailed(f"{count(len(errors), 'metric')} failed; {errors[0]}")


def is_scored(context: WorkerContext, unit: Unit) -> bool:
    """Return True if a unit has a complete prediction and its score file ends with the list of all metrics; then ``Scorer`` has nothing to do."""
    finished = read_finished(unit.score_file(context.out))
    return finished.issuperset(card.id for card in context.cards) and is_complete(unit.prediction_folder(context.out))


def _is_stored(spec: Spec) -> bool:
    """Return True for a method whose predictions are not made by this run."""
    return spec.kind == "method" and not spec.entry


def _check_shapes(prediction: Prediction, spec: Spec, loaded: LoadedClip, unit: Unit) -> None:
    """Check that a prediction fits its clip, which need not have the videos that its method saw."""
    without_videos = spec.model_copy(update={"families": ()})
    check_prediction(prediction, build_request(loaded.clip, without_videos, unit.seed))


def _measure(case: Case, card: Card, video_digests: Hashable, loaded: LoadedClip) -> list[Measurement]:
    """Measure, or reuse the measurements of a unit with identical video files: reference rows share the truth's video."""
    if video_digests is None or not card.group.startswith("video/"):
        return list(measure(case, card))
    if (card.id, video_digests) not in loaded.measured:
        loaded.measured[card.id, video_digests] = list(measure(case, card))
    return loaded.measured[card.id, video_digests]


def _read_scores(path: Path, unit: Unit) -> dict[str, list[ResultRow]]:
    """Read a unit's rows; a damaged file is renamed, and its metrics are scored again."""
    try:
        return read_scores(path, asdict(unit)) if path.is_file() else {}
    except ValueError as error:
        log.warning("%s; renamed to %s.damaged", error, path)
        path.rename(path.with_name(f"{path.name}.damaged"))
        return {}


def _video_digests(folder: Path) -> Hashable:
    files = read_prediction_record(folder).files
    return tuple(checksum.sha256 for name, checksum in sorted(files.items()) if name.startswith("view-"))
