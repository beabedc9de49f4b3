"""All problems of a configuration that gives no plan, where ``make_plan`` raises the first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoibench.datasets.base import Dataset
from hoibench.evaluation.config import RunConfig, find_config_problems
from hoibench.evaluation.plan import choose_entrants, read_manifest
from hoibench.methods.entrants import SettingMissing, setting_target
from hoibench.methods.registry import adapter_spec
from hoibench.methods.spec import Spec
from hoibench.metric_card import select_cards
from hoibench.problems import Problem, ProblemsFound
from hoibench.store.atomic import find_folder_problem


def find_plan_problems(config: RunConfig, dataset: Dataset | None) -> list[Problem]:
    """Return the problems of the settings, and of each metric, split, adapter, method and setting of a method.

    Args:
        config: the configuration.
        dataset: its data set; None, if it cannot be opened, leaves out split and methods.
    """
    found = find_config_problems(config)
    found += find_out_problems(config.out) if config.out is not None else []
    for name in config.metric_names:
        found += _try(f"--metrics {name}", select_cards, (name,))
    if dataset is not None:
        found += _try(f"--split {config.split or dataset.default_split}", read_manifest, config, dataset)
    adapters: list[Spec] = []
    for target in config.adapter:
        found += _try(f"--adapter {target}", lambda target: adapters.append(adapter_spec(target)), target)
    if dataset is not None:
        found += _find_method_problems(config, dataset, adapters)
    return found


def find_out_problems(out: Path) -> list[Problem]:
    """Return a problem if the files of a run cannot be written into a folder."""
    reason = find_folder_problem(out)
    return [Problem(f"--out {out}", "", reason, "", "give another --out")] if reason else []


def _find_method_problems(config: RunConfig, dataset: Dataset, adapters: list[Spec]) -> list[Problem]:
    """Add the methods, then their settings, one by one; what cannot be added is a problem, and is left out."""
    accepted = replace(config, method=(), set=(), preset=None, checkpoint=None)
    found: list[Problem] = []
    refused = set()
    for name in config.method:
        trial = replace(accepted, method=(*accepted.method, name))
        if problems := _try_entrants(f"--method {name}", trial, dataset, adapters):
            found += problems
            refused.add(name)
        else:
            accepted = trial
    if (config.method or config.adapter) and not (accepted.method or adapters):
        return found
    wrong_settings: list[Problem] = []
    for text in config.set:
        trial = replace(accepted, set=(*accepted.set, text))
        if setting_target(text) in refused:
            continue
        if problems := _try_entrants(f"--set {text}", trial, dataset, adapters):
            wrong_settings += problems
        else:
            accepted = trial
    if not refused:  # else they may be for the methods that are left out
        accepted = replace(accepted, preset=config.preset, checkpoint=config.checkpoint)
        wrong_settings += _try_entrants("--method", accepted, dataset, adapters)
    if not wrong_settings and not (refused and config.checkpoint):
        wrong_settings += _try("--method", choose_entrants, accepted, dataset, adapters)
    return found + wrong_settings


def _try_entrants(flag: str, config: RunConfig, dataset: Dataset, adapters: list[Spec]) -> list[Problem]:
    """Return the problems of entrants, except settings that are missing, which may follow."""

    def choose() -> None:
        with suppress(SettingMissing):
            choose_entrants(config, dataset, adapters)

    return _try(flag, choose)


def _try(flag: str, function: Callable[..., Any], *arguments: Any) -> list[Problem]:
    """Call a function and return its error, if any, as problems that name the flag."""
    try:
        function(*arguments)
    except ProblemsFound as error:
        return list(error.problems)
    except (ValueError, OSError) as error:
        text = str(error)
        return [Problem.from_text(text if text.startswith("--") else f"{flag}: {text}")]
    return []
