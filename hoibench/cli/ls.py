"""``hoibench ls``: list methods, metrics, data sets, splits and runs, without importing their code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich import box
from rich.table import Table

from hoibench.arguments import parse
from hoibench.cli.output import TextConsole

Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Ls:
    """List methods, presets, settings, metrics, data sets, splits or runs."""

    what: tyro.conf.Positional[Literal["methods", "presets", "settings", "metrics", "datasets", "splits", "runs"]] = (
        "methods"
    )
    """The list to print."""

    runs: Path = Path("runs")
    """The folder with the runs, for the list of runs."""

    self_test: bool = False
    """With metrics: list which corruptions of the truth each metric rewards, ignores and sees."""

    page: bool = False
    """With metrics: print docs/metrics.md, the descriptions and the self-test of the built-in metrics."""

    json: bool = False
    """Print JSON."""


def ls_command(arguments: Sequence[str]) -> int:
    """Print a list as a table or as JSON; return the exit code."""
    options = parse(Ls, arguments, "hoibench ls")
    if options.self_test and options.what != "metrics":
        raise ValueError(f"--self-test is for metrics, not {options.what}: hoibench ls metrics --self-test")
    if options.page:
        return _print_metrics_page(options.what)
    listers = {
        "methods": _methods,
        "presets": _presets,
        "settings": _settings,
        "metrics": _self_test if options.self_test else _metrics,
        "datasets": _datasets,
        "splits": _splits,
    }
    rows = _runs(options.runs) if options.what == "runs" else listers[options.what]()
    if options.json:
        print(json.dumps(rows, indent=1))
    elif not rows:
        print(f"no {options.what}" + (f" in {options.runs}" if options.what == "runs" else ""))
    else:
        print_table(rows)
    return 0


def print_table(rows: Rows) -> None:
    """Print rows, dicts with the same keys, as a table with a column for each key."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    table.columns[0].min_width = min(40, max(len(next(iter(row.values()))) for row in rows))
    for row in rows:
        table.add_row(*row.values())
    console = TextConsole()
    if not console.is_terminal:
        console = TextConsole(width=200)
    console.print(table, markup=False, highlight=False)


def _methods() -> Rows:
    from hoibench.methods.registry import installed_specs
    from hoibench.reference_rows import REFERENCES

    methods = [
        {"method": s.id, "families": " ".join(s.families), "outputs": " ".join(s.outputs), "presets": " ".join(s.presets), "name": s.title}
        for s in installed_specs().values()
    ]  # fmt: skip
    return methods + [
        {"method": name, "families": "reference", "outputs": "video tracks", "presets": "", "name": title}
        for name, title in REFERENCES.items()
    ]


def _presets() -> Rows:
    from hoibench.method_key import method_key
    from hoibench.methods.registry import installed_specs

    return [
        {"method": method_key(spec.id, name), "title": preset.title, "summary": preset.summary}
        for spec in installed_specs().values()
        for name, preset in spec.presets.items()
    ]


def _settings() -> Rows:
    from hoibench.methods.registry import installed_specs

    return [
        {
            "setting": f"{spec.id}.{key}",
            "type": setting.type,
            "default": "" if setting.default is None else str(setting.default),
            "help": setting.help + (f" One of {', '.join(setting.choices)}." if setting.choices else ""),
        }
        for spec in installed_specs().values()
        for key, setting in spec.settings.items()
    ]


def _metrics() -> Rows:
    from hoibench.metric_card import all_cards

    better = {
        "lower": "lower",
        "higher": "higher",
        "ratio": "ratio to truth near 1",
        "truth_distance": "near the truth's",
        "none": "",
    }
    return [
        {"metric": c.id, "unit": c.unit, "better": better[c.direction], "group": c.group,
         "sets": " ".join(c.all_sets),
         "weights": " ".join(c.weights), "title": c.title}
        for c in all_cards().values()
    ]  # fmt: skip


def _self_test() -> Rows:
    from hoibench.metric_card import all_cards
    from hoibench.metrics.self_test_record import list_self_test

    return list_self_test(all_cards())


def _print_metrics_page(what: str) -> int:
    from hoibench.cli.metrics_page import built_in_page

    if what != "metrics":
        raise ValueError(f"--page is for metrics, not {what}: hoibench ls metrics --page")
    print(built_in_page(), end="")
    return 0


def _datasets() -> Rows:
    from hoibench.datasets.registry import all_datasets

    return [{"dataset": c.name, "kind": c.kind, "title": c.title} for c in all_datasets().values()]


def _splits() -> Rows:
    from hoibench.datasets.split_files import all_splits

    rows = []
    for splits in all_splits():
        release = splits.release
        for part in splits.parts:
            file = release.aliases.get(part, part)
            # Manifests of TACO's splits have the number of clips, and reading 40,000 lines takes a second.
            clips = release.counts[file] if file in release.counts else len(splits.lines(file))
            alias = "" if file == part else f"alias of {splits.name}/{file}"
            rows.append(
                {"split": f"{splits.name}/{part}", "clips": str(clips), "id": release.files[file][:12], "": alias}
            )
    return rows


def _runs(folder: Path) -> Rows:
    from hoibench.results.run_record import RunRecord

    rows = []
    for path in sorted(folder.glob("*/run*.json")):
        try:
            record = RunRecord.read(path)
            rows.append(
                {
                    "run": str(path.parent)
                    + ("" if path.name == "run.json" else f" ({path.stem.removeprefix('run.')})"),
                    "split": record.split,
                    "methods": " ".join(m.key for m in record.methods if m.kind != "reference"),
                    "status": record.exit.status,
                    "created": record.created,
                }
            )
        except (ValueError, OSError) as error:
            rows.append({"run": str(path), "split": "", "methods": "", "status": f"unreadable: {error}", "created": ""})
    return rows
