"""A diagnosis as plain lines."""

from __future__ import annotations

from collections.abc import Iterator

from hoibench.datasets.taco.doctor.report import Check, Diagnosis, Inventory

_STATUS_WIDTH = 9


def render(diagnosis: Diagnosis) -> str:
    """The diagnosis: what is there, then each check with its examples and its fix, the most important first."""
    lines = [f"TACO at {diagnosis.root}", "", *_inventory(diagnosis.inventory), ""]
    for check in diagnosis.checks:
        lines += _check(check)
    lines += ["", _verdict(diagnosis)]
    return "\n".join(lines)


def _inventory(inventory: Inventory) -> Iterator[str]:
    names = {f"{inventory.sequences} sequences": "", **{f"  {n}": f"{c}" for n, c in inventory.modalities.items()}}
    yield from _columns(list(names.items()))
    serials = sorted({serial for cameras in inventory.cameras.values() for serial in cameras})
    if serials:
        yield ""
        table = [("videos of camera", *inventory.cameras)]
        table += [(f"  {s}", *(f"{cameras.get(s, 0)}" for cameras in inventory.cameras.values())) for s in serials]
        yield from _columns(table)


def _columns(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Rows with their first column to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _check(check: Check) -> Iterator[str]:
    count = f" ({check.count})" if check.count else ""
    yield f"{check.status.ljust(_STATUS_WIDTH)}{check.id}: {check.title}{count}"
    indent = " " * _STATUS_WIDTH
    for example in check.examples:
        yield f"{indent}- {example}"
    if check.fix and check.status in ("problem", "warning"):
        yield f"{indent}fix: {check.fix}"


def _verdict(diagnosis: Diagnosis) -> str:
    counts = [len(diagnosis.of(status)) for status in ("problem", "warning")]
    words = [
        f"{n or 'no'} {word}{'' if n == 1 else 's'}" for n, word in zip(counts, ("problem", "warning"), strict=True)
    ]
    return ", ".join(words)
