"""One unit of work, in whatever process: make the prediction if it is not there, then score what is not scored."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hoibench.clip import Clip, Prediction, Request
from hoibench.datasets.base import ClipEntry, Dataset
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.failures import FAILURE, is_fatal, reason_of, record_failure
from hoibench.evaluation.plan import Plan, Unit
from hoibench.evaluation.references import build_reference, hold_first_frame
from hoibench.evaluation.request import build_request
from hoibench.evaluation.score import RowKey, measure, to_row
from hoibench.evaluation.short import first_frames, recorded_part
from hoibench.evaluation.truth import as_scored
from hoibench.methods.check import check_outputs, check_prediction
from hoibench.methods.method import Method, MethodOptions
from hoibench.methods.precomputed import find_precomputed
from hoibench.methods.predictions import RECORD, decoded, is_whole, read_prediction, read_record, write_prediction
from hoibench.methods.references import OWN_FROZEN, PUBLISHED
from hoibench.methods.registry import SPEC, load_method
from hoibench.methods.spec import Spec
from hoibench.metrics.card import Card
from hoibench.metrics.case import Case
from hoibench.metrics.outcome import Measurement
from hoibench.results.jsonl import append_metric, read_scores
from hoibench.results.rows import Row
from hoibench.store import sweep

log = logging.getLogger(__name__)

RETRIED = ("unavailable", "error")
"""Statuses that a resumed run scores again: weights may have come, the scorer may have been mended."""


FOLLOWS = "it holds the first frame of a prediction that failed"
"""Why a frozen row has none itself: said in its rows, not told and counted a second time."""


class ScorerBroke(RuntimeError):
    """Metrics broke on a clip; their rows say ``error``, and the method is not to blame."""


@dataclass(frozen=True)
class Setup:
    """What a worker process must know once."""

    config: RunConfig
    out: Path
    device: str
    split: str
    clips_id: str
    specs: dict[str, Spec]
    cards: tuple[Card, ...]

    @classmethod
    def of(cls, plan: Plan) -> Setup:
        """The setup of a plan."""
        specs = {spec.id: spec for spec in plan.specs}
        return cls(plan.config, plan.out, plan.device, plan.manifest.split, plan.clips_id, specs, plan.cards)


@dataclass(frozen=True)
class UnitReport:
    """What came of a unit: seconds taken, whether anything was left to do, and why it failed if it did."""

    unit: Unit
    seconds: float
    worked: bool
    failure: str | None = None


@dataclass
class _ClipAtHand:
    """The clip that a worker is on, with what all its units share."""

    entry: ClipEntry
    clip: Clip
    scored: Clip
    measured: dict[Hashable, list[Measurement]] = field(default_factory=dict)
    of_clip: dict[Hashable, Any] = field(default_factory=dict)


class Bench:
    """A worker's bench: the open data set, loaded methods, and the clip at hand."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._dataset: Dataset | None = None
        self._methods: dict[str, Method] = {}
        self._at_hand: _ClipAtHand | None = None

    def close(self) -> None:
        """Let every loaded method free what it holds."""
        for name, method in self._methods.items():
            try:
                method.close()
            except Exception:  # its predictions are made: nothing is lost
                log.exception("%s could not be closed", name)
        self._methods.clear()

    def prepare(self, entry: ClipEntry) -> None:
        """Load a clip, generating it first where the data set generates."""
        if self._at_hand is not None and self._at_hand.entry == entry:
            return
        if self._dataset is None:
            self._dataset = open_dataset(self.setup.config.dataset, self.setup.config.root)
        clip = self._dataset.load(entry)
        self._at_hand = _ClipAtHand(entry, clip, recorded_part(as_scored(clip)))

    def run(self, unit: Unit, entry: ClipEntry) -> UnitReport:
        """Do what is left of a unit.  A failure is recorded, never raised.

        Raises:
            OSError: a file of the run cannot be written (disk full, for one): the run as a whole must stop.
        """
        begun = time.monotonic()
        folder = unit.prediction(self.setup.out)
        stage, worked = "load", False
        try:
            self.prepare(entry)
            if not is_whole(folder):
                worked = True
                self._forget(unit)
                request = self._request(unit)
                stage = "generate"
                self._generate(unit, folder, request)
            stage = "score"
            worked |= self._score(unit, folder)
        except (Exception, SystemExit) as error:  # a method's sys.exit() is its own failure, not the run's end
            if is_fatal(error):
                raise
            log.exception("%s failed at %s", unit.key, stage)
            record_failure(self.setup.out, unit, stage, reason_of(error), traceback.format_exc())
            return UnitReport(unit, time.monotonic() - begun, True, f"{stage}: {reason_of(error)}")
        (folder / FAILURE).unlink(missing_ok=True)
        return UnitReport(unit, time.monotonic() - begun, worked)

    def load_method(self, name: str) -> None:
        """Load a method that runs, so that its first clip is not charged for it."""
        spec = self.setup.specs[name]
        if spec.entry:
            self._method(spec)

    def _forget(self, unit: Unit) -> None:
        """Remove what was made from a prediction that is about to be made anew: its rows, and the row that holds its first frame."""
        unit.scores(self.setup.out).unlink(missing_ok=True)
        sweep(unit.prediction(self.setup.out))
        held = replace(unit, method=OWN_FROZEN + unit.method)
        (held.prediction(self.setup.out) / RECORD).unlink(missing_ok=True)

    def _request(self, unit: Unit) -> Request:
        assert self._at_hand is not None
        return build_request(self._at_hand.clip, self.setup.specs[unit.method], unit.seed)

    def _generate(self, unit: Unit, folder: Path, request: Request) -> None:
        assert self._at_hand is not None
        clip, spec = self._at_hand.clip, self.setup.specs[unit.method]
        begun = time.monotonic()
        prediction = self._predict(unit, spec, request, self._at_hand)
        seconds = round(time.monotonic() - begun, 3)
        if prediction.scale != spec.scale and spec.kind == "method" and spec.folder is None:
            raise ValueError(f"the prediction declares scale {prediction.scale}, the method's spec {spec.scale}")
        check_outputs(prediction, spec)
        check_prediction(decoded(prediction), request)
        write_prediction(folder, prediction, clip.fps, facts={"unit": unit.key, "seconds": seconds})

    def _predict(self, unit: Unit, spec: Spec, request: Request, at_hand: _ClipAtHand) -> Prediction:
        if unit.method.startswith(OWN_FROZEN):
            own = replace(unit, method=unit.method.removeprefix(OWN_FROZEN)).prediction(self.setup.out)
            if not is_whole(own):
                raise FileNotFoundError(FOLLOWS)
            return hold_first_frame(decoded(read_prediction(own)))
        if spec.kind == "reference":
            return build_reference(spec.id, at_hand.clip, unit.seed)
        if spec.kind == "published":
            assert self._dataset is not None
            return self._dataset.published_prediction(spec.id.removeprefix(PUBLISHED), at_hand.entry)
        if spec.folder is not None:
            return self._precomputed(spec, spec.folder, unit)
        made = self._method(spec).generate(request)
        if not isinstance(made, Prediction):
            raise TypeError(
                f"{spec.entry}: generate returned a {type(made).__name__}, expected a hoibench.clip.Prediction"
            )
        return made

    def _precomputed(self, spec: Spec, folder: Path, unit: Unit) -> Prediction:
        found = find_precomputed(folder, unit.clip, unit.seed)
        prediction = read_prediction(found, spec.scale)
        if (folder / SPEC).is_file() and prediction.scale != spec.scale:
            raise ValueError(f"{found / RECORD} says scale {prediction.scale}, {folder / SPEC} says {spec.scale}")
        return prediction

    def _method(self, spec: Spec) -> Method:
        if spec.id not in self._methods:
            config = self.setup.config
            preset = config.preset if spec.presets else None
            options = MethodOptions(
                self.setup.device, config.precision, preset, config.checkpoint, config.batch, config.weights
            )
            self._methods[spec.id] = load_method(spec, options)
        return self._methods[spec.id]

    def _score(self, unit: Unit, folder: Path) -> bool:
        """Score the metrics that have no rows yet; whether there were any."""
        assert self._at_hand is not None
        path, spec = unit.scores(self.setup.out), self.setup.specs[unit.method]
        kept = _kept_scores(path)
        done = {metric for metric, rows in kept.items() if not any(row.status in RETRIED for row in rows)}
        cards = [card for card in self.setup.cards if card.id not in done]
        if not cards:
            return False
        config, scored = self.setup.config, self._at_hand.scored
        prediction = first_frames(decoded(read_prediction(folder)), scored.frames)
        case = Case(
            prediction, scored, spec.pairing, self.setup.device, config.weights, config.batch,
            of_clip=self._at_hand.of_clip,
        )  # fmt: skip
        key = RowKey(
            unit.method, unit.clip, self.setup.split, self.setup.clips_id, unit.seed, unit.preset,
            config.precision, scored.truth,
        )  # fmt: skip
        frames = _frames_id(folder) if prediction.masks is None else None
        broken: list[str] = []
        for card in cards:
            measured = self._measure(case, card, frames)
            append_metric(path, card.id, [to_row(m, card, key) for m in measured])
            broken += [f"{card.id}: {m.reason}" for m in measured[-1:] if m.status == "error"]
        if broken:
            raise ScorerBroke(f"{len(broken)} metrics broke; {broken[0]}")
        return True

    def _measure(self, case: Case, card: Card, frames: Hashable) -> list[Measurement]:
        """Measure, or recall what a unit with the very same video files gave: reference rows share the truth's video."""
        assert self._at_hand is not None
        if frames is None or not card.group.startswith("video/"):
            return list(measure(case, card))
        known = self._at_hand.measured
        if (card.id, frames) not in known:
            known[card.id, frames] = list(measure(case, card))
        return known[card.id, frames]


def _kept_scores(path: Path) -> dict[str, list[Row]]:
    """The rows that are there; a file that cannot be read is set aside, and its metrics are scored again."""
    try:
        return read_scores(path) if path.is_file() else {}
    except ValueError as error:
        log.warning("%s; set aside as %s.broken", error, path)
        path.rename(path.with_name(f"{path.name}.broken"))
        return {}


def _frames_id(folder: Path) -> Hashable:
    files: dict[str, Any] = read_record(folder)["files"]
    return tuple(facts["sha256"] for name, facts in sorted(files.items()) if name.startswith("view-"))
