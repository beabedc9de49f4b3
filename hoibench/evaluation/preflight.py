"""Checks of everything that can be known before a run's first clip; ``--dry-run`` prints what they find, and a run is refused for it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hoibench.datasets.base import Dataset
from hoibench.evaluation.build_run_record import RunRefused, check_resumable, lock_path, record_name
from hoibench.evaluation.config import parse_max_failures
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.plan_problems import find_out_problems
from hoibench.evaluation.run import lock_run
from hoibench.evaluation.stored_predictions import find_unusable_predictions
from hoibench.methods.entrants import find_missing_settings
from hoibench.methods.method import Runtime
from hoibench.methods.preflight import find_start_problems
from hoibench.problems import Problem
from hoibench.progress import MessageCallback
from hoibench.store.atomic import free_bytes
from hoibench.weights import WeightsDamaged, WeightsMissing, find_weights

MIN_DISK_SHARE = 0.04
"""Least share of ``max_bytes`` that predictions take.

Measured on synthetic@2/demo: 10 % over all rows of ``--method syncmv4d+micro``, 4 % for those of ``frozen``, the row with the smallest files.
"""

_MISSING = "is missing"


@dataclass(frozen=True)
class Findings:
    """What is wrong with a run that has not started.

    Attributes:
        problems: problems for which the run is refused.
        warnings: problems with which it runs.
        cannot_start: by key of an entrant, the problems for which it cannot start; with ``--keep-going`` the others run.
    """

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    cannot_start: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)

    def refusals(self, *, keep_going: bool) -> tuple[Problem, ...]:
        """Return the problems for which the run is refused."""
        return self.problems if keep_going else (*self.problems, *self._of_entrants)

    def allowed(self, *, keep_going: bool) -> tuple[Problem, ...]:
        """Return the problems with which the run starts."""
        return (*self.warnings, *self._of_entrants) if keep_going else self.warnings

    @property
    def _of_entrants(self) -> tuple[Problem, ...]:
        return tuple(problem for problems in self.cannot_start.values() for problem in problems)


def preflight(plan: Plan, dataset: Dataset, on_message: MessageCallback | None = None) -> Findings:
    """Check the run folder, the disk, the clips, the weights, the methods and the stored predictions of a run; nothing is written.

    Args:
        plan: the plan of the run.
        dataset: its data set.
        on_message: called with a message before methods are imported, which takes seconds.
    """
    problems = [*_check_run_folder(plan), *dataset.preflight(plan.entries)]
    warnings = [
        *plan.warnings,
        *_join_missing(_check_weights({name for card in plan.cards for name in card.weights}, plan)),
    ]
    left = plan.units_left
    most = max_bytes(len(left), dataset)
    if problem := _check_disk(plan, most, MIN_DISK_SHARE):
        problems.append(problem)
    elif problem := _check_disk(plan, most, 1.0):
        warnings.append(problem)
    cannot_start = {
        key: tuple(Problem(key, "", "cannot start", "", text) for text in texts)
        for key, texts in _check_methods(plan, {unit.entrant for unit in left}, on_message).items()
    }
    unusable = find_unusable_predictions(plan, dataset, left)
    number = sum(found.count for found in unusable.values())
    if number > parse_max_failures(plan.config.max_failures, len(plan.units)):
        has_others = number < sum(unit.entrant in unusable for unit in plan.units)
        hint = f"; --max-failures {number} scores the others" if has_others else ""
        for key, found in unusable.items():
            cannot_start[key] = tuple(replace(problem, fix=problem.fix + hint) for problem in found.problems)
    else:
        warnings += [problem for found in unusable.values() for problem in found.problems]
    return Findings(tuple(problems), tuple(warnings), cannot_start)


def max_bytes(units: int, dataset: Dataset) -> int | None:
    """Return the uncompressed size of the videos and tracks of a number of units; None if the shape of the clips is unknown."""
    grid = dataset.grid
    if grid is None:
        return None
    pixels = grid.size[0] * grid.size[1] * 3
    track_and_validity = 3 * 4 + 1
    return units * grid.views * grid.frames * (pixels + grid.points * track_and_validity)


def _check_run_folder(plan: Plan) -> list[Problem]:
    out, flag = plan.out, f"--out {plan.out}"
    if problems := find_out_problems(out):
        return problems
    name = record_name(plan).removesuffix(".json")
    if lock_path(out, name).is_file():
        try:
            with lock_run(out, name):
                pass
        except RunRefused as error:
            return [Problem.from_text(str(error))]
    if plan.config.resume or not any(out.glob("run*.json")):
        try:
            check_resumable(plan)
        except RunRefused as error:
            return [Problem(flag, "", "cannot be resumed", "", str(error))]
    return []


def _check_disk(plan: Plan, most: int | None, share: float) -> Problem | None:
    """Return a problem if the run's disk has less than a share of ``most`` bytes free."""
    free = free_bytes(plan.out)
    if most is None or free >= share * most:
        return None
    expected = f"at least {share * most:.0f}" if share < 1 else f"up to {most}"
    fix = "free some space, or give another --out"
    return Problem(f"--out {plan.out}", "", f"has {free} bytes free", expected, fix)


def _check_methods(plan: Plan, left: Container[str], on_message: MessageCallback | None) -> dict[str, list[str]]:
    """Return why methods cannot start, of those entrants that have something left to generate, by the entrant's key."""
    config = plan.config
    entrants = [entrant for entrant in plan.entrants if entrant.spec.entry and entrant.key in left]
    found: dict[str, list[str]] = {}
    for entrant in entrants:
        problems = [*find_missing_settings(entrant), *_check_weights(entrant.spec.weights, plan)]
        if problems:
            found[entrant.key] = [str(problem).removeprefix(f"{entrant.key} ") for problem in problems]
    ready = [entrant for entrant in entrants if entrant.key not in found]
    if ready and on_message is not None:
        on_message(f"checking that {', '.join(entrant.key for entrant in ready)} can start")
    runtime = Runtime(plan.device, config.precision, config.batch, config.weights)
    return found | find_start_problems(ready, runtime, in_this_process=config.executor == "inline")


def _join_missing(problems: Sequence[Problem]) -> list[Problem]:
    """Join the problems of weights of metrics that are missing to one."""
    missing = [problem.file for problem in problems if problem.found == _MISSING]
    joined = Problem(
        ", ".join(missing), "", "is missing" if len(missing) == 1 else "are missing", "",
        f"without these weights, rows of metrics are unavailable; run `hoibench weights fetch {' '.join(missing)}`, "
        "or give their folder by --weights or HOIBENCH_WEIGHTS",
    )  # fmt: skip
    return [*([joined] if missing else []), *(problem for problem in problems if problem.found != _MISSING)]


def _check_weights(names: Iterable[str], plan: Plan) -> list[Problem]:
    """Return a problem for each weight file that is missing or damaged."""
    problems = []
    for name in sorted(names):
        try:
            find_weights(name, plan.config.weights)
        except WeightsMissing as error:
            problems.append(Problem(name, "", _MISSING, "", str(error.args[0])))
        except WeightsDamaged as error:
            problems.append(Problem(name, "", "is damaged", "", str(error)))
    return problems
