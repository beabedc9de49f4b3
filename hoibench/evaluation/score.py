"""A scorer: the metrics' networks, loaded once, that scores stored predictions; predictions that no method has to run for it makes itself."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Hashable
from pathlib import Path

from hoibench.clip import Prediction
from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.failures import FAILURE, record_exception
from hoibench.evaluation.measure import RowKey, measure, to_row
from hoibench.evaluation.padding import trim_prediction
from hoibench.evaluation.references import build_reference, hold_first_frame
from hoibench.evaluation.request import build_request
from hoibench.evaluation.unit import Unit
from hoibench.evaluation.worker import ClipLoader, LoadedClip, UnitReport, WorkerContext, forget
from hoibench.methods.check import check_outputs, check_prediction
from hoibench.methods.spec import Spec
from hoibench.metric_card import Card
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement
from hoibench.plugins import SPEC_FILE
from hoibench.predictions import (
    PREDICTION_FILE,
    decode_prediction,
    find_damaged_files,
    find_prediction,
    is_complete,
    read_prediction,
    read_prediction_record,
    write_prediction,
)
from hoibench.reference_rows import FROZEN_SELF, PUBLISHED
from hoibench.results.result_row import ResultRow
from hoibench.results.score_file import append_metric, read_scores
from hoibench.store import remove_temporary_files

log = logging.getLogger(__name__)

RETRIED = ("unavailable", "error")
"""Statuses that a resumed run scores again: weights may have come, the scorer may have been mended."""


class SourceFailed(FileNotFoundError):
    """The prediction that this one is made from failed: said in its rows, not reported and counted a second time."""


class ScorerBroke(RuntimeError):
    """Metrics broke on a clip; their rows say ``error``, and the method is not to blame."""


class Scorer:
    """The metrics of a run with the clip that it is on."""

    def __init__(self, context: WorkerContext) -> None:
        self.context = context
        self._clips = ClipLoader(context)

    def load_clip(self, entry: ClipEntry) -> None:
        """Load a clip, so that its first unit is not charged for it."""
        self._clips.load(entry)

    def run(self, unit: Unit, entry: ClipEntry) -> UnitReport:
        """Score what is not scored of a unit.  A failure is recorded, never raised; without its method's prediction nothing is done.

        Raises:
            OSError: a file of the run cannot be written (disk full, for one): the run as a whole must stop.
        """
        begun = time.monotonic()
        out, spec = self.context.out, self.context.entrants[unit.entrant].spec
        folder = unit.prediction(out)
        stage = "load"
        whole = is_complete(folder)
        if (spec.entry and not whole) or (whole and not self._unscored(unit)):
            return UnitReport(unit, "score", 0.0, worked=False)
        try:
            loaded = self._clips.load(entry)
            if not whole:
                stage = "generate"
                forget(out, unit)
                self._make(unit, spec, loaded)
            stage = "score"
            self._score(unit, spec, loaded)
        except (Exception, SystemExit) as error:
            if self.context.rescore and stage == "load":  # the existing rows stand
                raise
            follows = isinstance(error, SourceFailed)
            failure = record_exception(out, unit, stage, error, follows=follows)
            return UnitReport(unit, "score", time.monotonic() - begun, True, failure, follows)
        (folder / FAILURE).unlink(missing_ok=True)
        return UnitReport(unit, "score", time.monotonic() - begun, worked=True)

    def _make(self, unit: Unit, spec: Spec, loaded: LoadedClip) -> None:
        """Store a prediction that is made from truth, or from what lies on disk."""
        begun = time.monotonic()
        prediction = self._found(unit, spec, loaded)
        seconds = round(time.monotonic() - begun, 3)
        check_outputs(prediction, spec)
        check_prediction(decode_prediction(prediction), build_request(loaded.clip, spec, unit.seed))
        folder = unit.prediction(self.context.out)
        write_prediction(folder, prediction, loaded.clip.fps, unit=unit.key, seconds=seconds)

    def _found(self, unit: Unit, spec: Spec, loaded: LoadedClip) -> Prediction:
        if unit.method.startswith(FROZEN_SELF):
            own = unit.without_prefix(FROZEN_SELF).prediction(self.context.out)
            if not is_complete(own):
                raise SourceFailed("depends on a prediction that failed")
            return hold_first_frame(decode_prediction(read_prediction(own)))
        if spec.kind == "reference":
            return build_reference(spec.id, loaded.clip, unit.seed)
        if spec.kind == "published":
            return self._clips.dataset.published_prediction(spec.id.removeprefix(PUBLISHED), loaded.entry)
        if spec.folder is None:
            raise FileNotFoundError(f"{unit.prediction(self.context.out)}: no prediction, and {spec.id} does not run")
        return _precomputed(spec, spec.folder, unit)

    def _unscored(self, unit: Unit) -> tuple[Card, ...]:
        """The metrics that have no rows yet, or rows that may come out otherwise now."""
        if self.context.rescore:
            return self.context.cards
        kept = _kept_scores(unit.scores(self.context.out))
        done = {metric for metric, rows in kept.items() if not any(row.status in RETRIED for row in rows)}
        return tuple(card for card in self.context.cards if card.id not in done)

    def _score(self, unit: Unit, spec: Spec, loaded: LoadedClip) -> None:
        """Score the metrics that have no rows yet."""
        context, scored, path = self.context, loaded.scored, unit.scores(self.context.out)
        folder = unit.prediction(context.out)
        prediction = trim_prediction(decode_prediction(read_prediction(folder)), scored.frames)
        case = Case(
            prediction, scored, spec.pairing, context.device, context.config.weights, context.config.batch,
            clip_memo=loaded.memo,
        )  # fmt: skip
        key = RowKey(
            unit.method, unit.clip, context.split, context.clip_set_id, unit.seed, unit.preset,
            context.config.precision, scored.truth, context.device,
        )  # fmt: skip
        frames = _frames_id(folder) if prediction.masks is None else None
        if context.rescore:
            remove_temporary_files(path.parent, path.name)  # what a killed call left
        written = path.with_name(f".tmp-{secrets.token_hex(4)}-{path.name}") if context.rescore else path
        broken: list[str] = []
        for card in self._unscored(unit):
            measured = _measure(case, card, frames, loaded)
            append_metric(written, card.id, [to_row(m, card, key) for m in measured])
            broken += [f"{card.id}: {m.reason}" for m in measured[-1:] if m.status == "error"]
        if context.rescore:
            written.replace(path)
        if broken:
            raise ScorerBroke(f"{len(broken)} metrics broke; {broken[0]}")


def _precomputed(spec: Spec, folder: Path, unit: Unit) -> Prediction:
    found = find_prediction(folder, unit.clip, unit.seed)
    if (found / PREDICTION_FILE).is_file() and (odd := find_damaged_files(found)):
        raise ValueError(
            f"{odd[0]} is missing, or not of the size that {PREDICTION_FILE} says: write the prediction again"
        )
    prediction = read_prediction(found, spec.scale)
    if (folder / SPEC_FILE).is_file() and prediction.scale != spec.scale:
        raise ValueError(
            f"{found / PREDICTION_FILE} says scale {prediction.scale}, {folder / SPEC_FILE} says {spec.scale}"
        )
    return prediction


def _measure(case: Case, card: Card, frames: Hashable, loaded: LoadedClip) -> list[Measurement]:
    """Measure, or recall what a unit with the very same video files gave: reference rows share the truth's video."""
    if frames is None or not card.group.startswith("video/"):
        return list(measure(case, card))
    if (card.id, frames) not in loaded.measured:
        loaded.measured[card.id, frames] = list(measure(case, card))
    return loaded.measured[card.id, frames]


def _kept_scores(path: Path) -> dict[str, list[ResultRow]]:
    """The rows that are there; a file that cannot be read is set aside, and its metrics are scored again."""
    try:
        return read_scores(path) if path.is_file() else {}
    except ValueError as error:
        log.warning("%s; set aside as %s.broken", error, path)
        path.rename(path.with_name(f"{path.name}.broken"))
        return {}


def _frames_id(folder: Path) -> Hashable:
    files = read_prediction_record(folder).files
    return tuple(facts.sha256 for name, facts in sorted(files.items()) if name.startswith("view-"))
