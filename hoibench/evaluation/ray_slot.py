"""A place for one actor of a run on Ray, which is replaced when it dies or its node is lost."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, GetTimeoutError, RayActorError, RayError

from hoibench.clip_entry import ClipEntry
from hoibench.errors import Crash
from hoibench.evaluation.failures import record_failure
from hoibench.evaluation.ray_actor import Message
from hoibench.evaluation.ray_cluster import is_alive, is_free, room_for
from hoibench.evaluation.unit import Stage, Unit, UnitReport
from hoibench.evaluation.unit_runner import unit_seconds
from hoibench.evaluation.worker import WorkerContext
from hoibench.problems import Problem, raise_if_any
from hoibench.processes import MessageHandler, OnLine, PoolStopped

MAX_ACTOR_DEATHS = 2
"""Actors of living nodes that may die while they run a unit; then the unit fails."""

MAX_NODE_LOSSES = 5
"""Nodes that may be lost while they run a unit; then the unit fails."""

MAX_STARTS = 5
"""Actors that may die one after another while they start; then the run ends."""

WAIT_SECONDS = 900.0
"""Time that the run waits for nodes on which an actor can run, e.g. until the cluster has grown."""

VERDICT_SECONDS = 60.0
"""Time that Ray has to find out whether the node of an actor that does not answer is lost; it takes about 15 s."""

MARGIN_SECONDS = 300.0
"""Time that an actor has, beyond that of a unit with ``--unit-timeout``, to start its process and to answer; then it counts as dead."""

CLOSE_SECONDS = 90.0
"""Time that an actor has to end its process."""

_POLL_SECONDS = 0.2
_WARNING_SECONDS = 60.0
_MAX_REASON = 400

log = logging.getLogger(__name__)


class ActorSlot:
    """A place for one actor, which is replaced when it dies; for use by one thread."""

    def __init__(
        self,
        stage: Stage,
        make_actor: Callable[[], Any],
        need: Mapping[str, float],
        context: WorkerContext,
        timeout: float | None,
        stopped: threading.Event,
        on_line: OnLine | None,
    ) -> None:
        self._stage, self._make_actor, self._need = stage, make_actor, need
        self._context, self._stopped, self._on_line = context, stopped, on_line
        # It ends units itself; this is for one that no longer does anything.
        self._limit = math.inf if timeout is None else unit_seconds(timeout) + MARGIN_SECONDS
        self._actor: Any = None
        self._node, self._name = "", ""

    def start(self, on_step: MessageHandler) -> None:
        """Start an actor unless there is one, and wait until it is ready; ``on_step`` is called with a text that says what it waits for.

        Raises:
            Crash: the cluster has had no node for it for ``WAIT_SECONDS``, or it has died ``MAX_STARTS`` times while it started.
            ProblemsFound: its node lacks what the run needs.
        """
        starts = 0
        while self._actor is None:
            starts += 1
            on_step(self._say_what_is_missing() or "starting a worker on the Ray cluster")
            self._actor = self._make_actor()
            try:
                self._node, self._name, problems = self._wait(self._actor.start.remote())
            except RayActorError as error:
                if error.actor_init_failed or starts == MAX_STARTS:
                    raise Crash(f"Ray's actors die while they start: {_explain(error)}") from None
                log.warning("a Ray actor died while it started: %s", _explain(error))
                self._actor = None
            else:
                raise_if_any([Problem(self._name, "", problem, "", "") for problem in problems])
                log.info("a Ray actor for %s runs on %s", self._stage, self._name)

    def run(self, unit: Unit, entry: ClipEntry, on_step: MessageHandler) -> UnitReport:
        """Run a unit, again if its actor or its node is lost; ``on_step`` is called with a text at each step."""
        deaths, losses = 0, 0
        while True:
            self.start(on_step)
            try:
                return self._run(unit, entry, on_step)
            except RayActorError as error:
                why = self._end_actor(error)
            except TimeoutError as error:
                why = str(error)
                ray.kill(self._actor)
                self._actor = None
            if is_alive(self._node):
                deaths += 1
                reason = f"its Ray actor on {self._name} died: {why}"
            else:
                losses += 1
                reason = f"{self._name} was lost"
            log.warning("%s: %s", unit.key, reason)
            if deaths >= MAX_ACTOR_DEATHS or losses >= MAX_NODE_LOSSES:
                reason = f"{reason} (tried {deaths + losses} times)"
                failure = record_failure(self._context.out, unit, self._stage, reason)
                return UnitReport(unit, self._stage, True, failure)
            on_step(f"starting again, since {reason}")

    def close(self) -> None:
        """Let the actor close its method or scorer, unless the run was stopped, and end it."""
        if self._actor is None:
            return
        if not self._stopped.is_set():
            with suppress(RayError):
                ray.get(self._actor.close.remote(), timeout=CLOSE_SECONDS)
        ray.kill(self._actor)

    def _run(self, unit: Unit, entry: ClipEntry, on_step: MessageHandler) -> UnitReport:
        messages = self._actor.run.options(num_returns="streaming").remote(unit, entry)
        deadline = time.monotonic() + self._limit
        while True:
            kind, value = self._next(messages, deadline)
            if kind == "report":
                return value  # type: ignore[no-any-return]
            if kind == "error":
                raise value
            if kind == "step":
                on_step(value)
            elif self._on_line is not None:
                self._on_line(*value)

    def _next(self, messages: Any, deadline: float) -> Message:
        while not ray.wait([messages], timeout=_POLL_SECONDS)[0]:
            self._raise_if_stopped()
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"it has not ended the unit within {self._limit:g} s, however long --unit-timeout lets it run"
                )
        message: Message = ray.get(next(messages))
        return message

    def _wait(self, call: Any) -> Any:
        """Wait for the first call of an actor, which starts when a node has room for it."""
        last_room = last_warning = time.monotonic()
        while not ray.wait([call], timeout=_POLL_SECONDS)[0]:
            self._raise_if_stopped()
            now = time.monotonic()
            if now - last_warning > _WARNING_SECONDS:
                last_warning = now
                log.warning("waiting for a node of the Ray cluster with %s free", _describe(self._need))
                if room_for(self._need):
                    last_room = now
                elif now - last_room > WAIT_SECONDS:
                    raise Crash(
                        f"no node of the Ray cluster has {_describe(self._need)}; completed work is kept: add nodes and give the same command again"
                    )
        return ray.get(call)

    def _end_actor(self, error: RayActorError) -> str:
        """Wait until Ray is sure why the actor is lost, or for ``VERDICT_SECONDS``; end the actor and return the reason."""
        actor, self._actor = self._actor, None
        deadline = time.monotonic() + VERDICT_SECONDS
        while isinstance(error, ActorUnavailableError) and is_alive(self._node) and time.monotonic() < deadline:
            self._raise_if_stopped()
            self._stopped.wait(_POLL_SECONDS)
            try:
                ray.get(actor.start.remote(), timeout=1.0)
            except GetTimeoutError:
                pass
            except RayActorError as newer:
                error = newer
        ray.kill(actor)
        return _explain(error)

    def _say_what_is_missing(self) -> str:
        """Return, and log, for what resources an actor has to wait; an empty text if they are free."""
        if is_free(self._need):
            return ""
        need = _describe(self._need)
        text = f"waiting until a node of the Ray cluster has {need} free"
        if not room_for(self._need):
            text = f"no node of the Ray cluster has {need}: waiting {WAIT_SECONDS / 60:g} minutes for one"
        log.warning("%s", text)
        return text

    def _raise_if_stopped(self) -> None:
        if self._stopped.is_set():
            raise PoolStopped


def _describe(need: Mapping[str, float]) -> str:
    """Return the resources of an actor as text.

    >>> _describe({"num_cpus": 1, "num_gpus": 0.5})
    '1 core and 0.5 GPU'
    """
    return " and ".join(
        f"{need[key]:g} {name}" for key, name in (("num_cpus", "core"), ("num_gpus", "GPU")) if need[key]
    )


def _explain(error: RayActorError) -> str:
    """Return the reason in the text of an error of Ray, whose first lines name the actor."""
    text = " ".join(str(error).split())
    _, found, reason = text.partition("The actor is dead because ")
    return (reason if found else text)[:_MAX_REASON]
