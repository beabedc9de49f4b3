"""A generator: one method, loaded once, that answers requests and stores its predictions."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict

from hoibench.clip import Prediction, Request
from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.failures import FAILURE, record_exception
from hoibench.evaluation.request import build_request
from hoibench.evaluation.unit import Unit
from hoibench.evaluation.worker import ClipLoader, UnitReport, WorkerContext, forget
from hoibench.methods.check import check_outputs, check_prediction
from hoibench.methods.method import Entrant, Method, Runtime
from hoibench.methods.registry import load_method
from hoibench.predictions import decode_prediction, is_complete, write_prediction

log = logging.getLogger(__name__)


class Generator:
    """One entrant's method with the clip that it is on."""

    def __init__(self, context: WorkerContext, entrant: str) -> None:
        config = context.config
        self.out = context.out
        self.entrant: Entrant = context.entrants[entrant]
        self.runtime = Runtime(context.device, config.precision, config.batch, config.weights)
        self._clips = ClipLoader(context)
        self._method: Method | None = None
        self._load_error: BaseException | None = None

    def close(self) -> None:
        """Let the method free what it holds."""
        if self._method is None:
            return
        try:
            self._method.close()
        except Exception:  # its predictions are made: nothing is lost
            log.exception("%s could not be closed", self.entrant.key)
        self._method = None

    def load_clip(self, entry: ClipEntry) -> None:
        """Load a clip, so that its first unit is not charged for it."""
        self._clips.load(entry)

    def run(self, unit: Unit, entry: ClipEntry) -> UnitReport:
        """Make a unit's prediction unless it is there.  A failure is recorded, never raised.

        Raises:
            OSError: a file of the run cannot be written (disk full, for one): the run as a whole must stop.
        """
        begun = time.monotonic()
        folder = unit.prediction(self.out)
        if is_complete(folder):
            return UnitReport(unit, "generate", 0.0, worked=False)
        stage = "load"
        try:
            forget(self.out, unit)
            loaded = self._clips.load(entry)
            request = build_request(loaded.clip, self.entrant.spec, unit.seed)
            stage = "generate"
            self._generate(unit, request, loaded.clip.fps)
            (folder / FAILURE).unlink(missing_ok=True)
        except (Exception, SystemExit) as error:  # a method's sys.exit() is its own failure, not the run's end
            failure = record_exception(self.out, unit, stage, error)
            return UnitReport(unit, "generate", time.monotonic() - begun, True, failure)
        return UnitReport(unit, "generate", time.monotonic() - begun, worked=True)

    def _generate(self, unit: Unit, request: Request, fps: float) -> None:
        spec = self.entrant.spec
        method = self.load_method()
        begun = time.monotonic()
        prediction = method.generate(request)
        seconds = round(time.monotonic() - begun, 3)
        if not isinstance(prediction, Prediction):
            raise TypeError(
                f"{spec.entry}: generate returned a {type(prediction).__name__}, expected a hoibench.clip.Prediction"
            )
        if prediction.scale != spec.scale:
            raise ValueError(f"the prediction declares scale {prediction.scale}, the method's spec {spec.scale}")
        check_outputs(prediction, spec)
        check_prediction(decode_prediction(prediction), request)
        ran = {key: value for key, value in asdict(self.runtime).items() if key != "weights"}
        write_prediction(unit.prediction(self.out), prediction, fps, unit=unit.key, seconds=seconds, **ran)

    def load_method(self) -> Method:
        """The method, loaded on first use; one that could not be loaded is not tried again for every unit."""
        if self._load_error is not None:
            raise self._load_error
        if self._method is None:
            try:
                self._method = load_method(self.entrant, self.runtime)
            except (Exception, SystemExit) as error:
                self._load_error = error
                raise
        return self._method
