"""Failures of a run on the terminal, the same lines as at the top of the leaderboard page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from pathlib import Path

    from hoibench.evaluation.collect_results import Outcome

_OUTPUT_LINES = 5


def print_failures(console: Console, outcome: Outcome, out: Path) -> None:
    """Print which methods failed on which clips, at which stage and why, with the log and the last lines of the method's output.

    Args:
        console: the terminal.
        outcome: the end of the run.
        out: the run's folder as paths are to be shown.
    """
    from hoibench.results.failure_summary import MAX_LINES, summarize_failures

    def say(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    lines = summarize_failures(outcome.failures, outcome.clips)
    for line in lines[:MAX_LINES]:
        numbers, _, names = line.clips_text.partition(": ")
        say(f"{line.method} failed on {numbers} clips{f' ({names})' if names else ''}, stage {line.stage}", "bold")
        say(f"  {line.reason}")
        for text in line.output.splitlines()[-_OUTPUT_LINES:]:
            say(f"  | {text}", "dim")
        if line.log:
            say(f"  log: {out / line.log}", "dim")
    if len(lines) > MAX_LINES:
        say(f"and {len(lines) - MAX_LINES} more in {out / ('run.*.json' if outcome.is_shard else 'run.json')}")
