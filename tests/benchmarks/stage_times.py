"""Print where the time of a run went, as a Markdown table made from its log.txt: python tests/benchmarks/stage_times.py runs/NAME."""

import re
import sys
from collections import defaultdict
from pathlib import Path

LINE = re.compile(r"hoibench\.evaluation\.stage_times: (\w+) \S+: (.*)")
STEP = re.compile(r"([^ ,][^,]*?) ([\d.]+) s \(processor ([\d.]+) s\)")
LEAST_SHARE = 0.01


def read_times(log: Path) -> dict[tuple[str, str], list[float]]:
    """Return by stage and step how often it ran, and its wall and processor seconds in all processes."""
    times: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for found in map(LINE.search, log.read_text(encoding="utf-8").splitlines()):
        for step, wall, processor in STEP.findall(found[2]) if found else ():
            row = times[found[1], step]
            row[:] = row[0] + 1, row[1] + float(wall), row[2] + float(processor)
    return times


def format_table(times: dict[tuple[str, str], list[float]]) -> str:
    """Return a table of the steps with at least 1 % of the processor seconds, and one row for the others."""
    total = sum(row[2] for row in times.values())
    shown = {key: row for key, row in times.items() if row[2] >= LEAST_SHARE * total}
    rest = [row for key, row in times.items() if key not in shown]
    rows = sorted(shown.items(), key=lambda item: -item[1][2])
    rows.append((("all", "other steps"), [sum(each) for each in zip(*rest, strict=True)] or [0, 0.0, 0.0]))
    lines = ["| stage | step | times | wall s | processor s |", "|---|---|---|---|---|"]
    lines += [f"| {stage} | {step} | {n:.0f} | {w:.1f} | {p:.1f} |" for (stage, step), (n, w, p) in rows]
    return "\n".join([*lines, f"| all | | | | {total:.1f} |"])


if __name__ == "__main__":
    print(format_table(read_times(Path(sys.argv[1]) / "log.txt")))
