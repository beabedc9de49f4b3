"""A generator: loads one method, sends it requests, and stores its predictions."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict

from hoibench.clip import Prediction, Request
from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.failures import FAILURE_FILE, record_exception
from hoibench.evaluation.request import build_request
from hoibench.evaluation.stage_times import StageTimes, log_time
from hoibench.evaluation.unit import Unit, UnitReport, delete_results
from hoibench.evaluation.worker import ClipLoader, WorkerContext
from hoibench.methods.check import check_outputs, check_prediction
from hoibench.methods.method import Entrant, Method, Runtime
from hoibench.methods.registry import load_method
from hoibench.plugins import find_source_file
from hoibench.predictions import decode_prediction, is_complete, write_prediction
from hoibench.processes import end_forks, send

log = logging.getLogger(__name__)


class Generator:
    """Generates the predictions of one entrant, clip by clip."""

    def __init__(self, context: WorkerContext, entrant: str) -> None:
        config = context.config
        self.out = context.out
        self.entrant: Entrant = context.entrants[entrant]
        folder = context.out / "exchange" / entrant
        self.runtime = Runtime(context.device, config.precision, config.batch, config.weights, folder)
        self._clips = ClipLoader(context)
        self._method: Method | None = None
        self._load_error: BaseException | None = None

    def load_clip(self, entry: ClipEntry) -> None:
        """Load a clip before its first unit is timed."""
        self._clips.load(entry)

    def load_method(self) -> Method:
        """Load the method on first use; after an error, raise that error again instead of trying again."""
        if self._load_error is not None:
            raise self._load_error
        if self._method is None:
            send("loading the method")
            try:
                with log_time("load", self.entrant.key, "method"):
                    self._method = load_method(self.entrant, self.runtime)
            except BaseException as error:
                self._load_error = error
                raise
        return self._method

    def run(self, unit: Unit, entry: ClipEntry) -> UnitReport:
        """Generate a unit's prediction unless it is stored already.  A failure is recorded, not raised.

        Raises:
            OSError: a file of the run cannot be written, e.g. because the disk is full; the whole run must stop.
        """
        folder = unit.prediction_folder(self.out)
        if is_complete(folder):
            return UnitReport(unit, "generate", did_work=False)
        stage = "generate"
        try:
            delete_results(self.out, unit)
            method = self.load_method()
            stage = "load"
            loaded = self._clips.load(entry)
            request = build_request(loaded.clip, self.entrant.spec, unit.seed)
            stage = "generate"
            self._generate(method, unit, request, loaded.clip.fps)
            (folder / FAILURE_FILE).unlink(missing_ok=True)
        except BaseException as error:  # sys.exit() and the like in a method fail its unit; they do not end the run
            source = find_source_file(self.entrant.spec.entry)
            failure = record_exception(self.out, unit, stage, error, source=source)
            return UnitReport(unit, "generate", True, failure, load_failed=self._load_error is not None)
        return UnitReport(unit, "generate", did_work=True)

    def _generate(self, method: Method, unit: Unit, request: Request, fps: float) -> None:
        spec, times = self.entrant.spec, StageTimes("generate", unit.key)
        send("generating")
        start = time.monotonic()
        with times.step("sample"), end_forks():
            prediction = method.generate(request)
        seconds = round(time.monotonic() - start, 3)
        if not isinstance(prediction, Prediction):
            raise TypeError(
                f"{spec.entry}: generate returned a {type(prediction).__name__}, expected a hoibench.clip.Prediction"
            )
        if prediction.scale != spec.scale:
            raise ValueError(f"the prediction has scale {prediction.scale!r}, but the method's spec {spec.scale!r}")
        check_outputs(prediction, spec)
        runtime = {key: value for key, value in asdict(self.runtime).items() if key not in ("weights", "folder")}
        folder = unit.prediction_folder(self.out)
        with times.step("store"):
            check_prediction(decode_prediction(prediction), request)
            write_prediction(folder, prediction, fps, unit=unit.key, seconds=seconds, **runtime)
        times.log()

    def close(self) -> None:
        """Close the method, which frees its memory; an error is only logged."""
        if self._method is None:
            return
        try:
            self._method.close()
        except Exception:
            log.exception("%s could not be closed", self.entrant.key)
        self._method = None
