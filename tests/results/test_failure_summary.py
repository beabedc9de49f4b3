"""Failures joined into lines, and their print on the terminal."""

from pathlib import Path

from rich.console import Console

from hoibench.cli.failures_table import print_failures
from hoibench.evaluation.collect_results import Outcome
from hoibench.results.failure_summary import summarize_failures
from hoibench.results.run_record import Failure


def failure(unit, reason="KeyError: 'prompt' (adapter.py:42)", **more):
    return Failure(unit=unit, stage="generate", reason=reason, **more)


def test_equal_failures_of_a_method_are_one_line():
    found = [
        failure("mine+large/seed-0/a", log="logs/mine+large/seed-0/a.log", output="last words"),
        failure("mine+large/seed-1/a"),
        failure("mine+large/seed-0/b"),
        failure("frozen_self/mine/seed-0/a"),
        failure("mine+large/seed-0/c", reason="killed"),
        failure("not a unit"),
    ]
    lines = summarize_failures(found, total=6)
    assert [(line.method, line.clips, line.units) for line in lines] == [
        ("mine+large", ("a", "b"), 3), ("frozen_self/mine", ("a",), 1), ("mine+large", ("c",), 1), ("not a unit", (), 1),
    ]  # fmt: skip
    assert (lines[0].log, lines[0].output, lines[0].clips_text) == (
        "logs/mine+large/seed-0/a.log",
        "last words",
        "2 of 6: a, b",
    )
    assert summarize_failures([failure(f"m/seed-0/{n}") for n in range(5)], 6)[0].clips_text == "5 of 6: 0, 1, 2, ..."
    assert summarize_failures([failure(f"m/seed-0/{n}") for n in range(6)], 6)[0].clips_text == "6 of 6"


def test_the_terminal_names_method_clips_stage_reason_output_and_log(capsys):
    found = [failure("mine/seed-0/a", log="logs/mine/seed-0/a.log", output="1\n[red]2\n3\n4\n5\n6")]
    found += [failure(f"m{n}/seed-0/a") for n in range(10)]
    print_failures(Console(), Outcome(Path("/runs/x"), 12, 6, tuple(found), 0, is_shard=False), Path("x"))
    printed = capsys.readouterr().out
    assert printed.startswith(
        "mine failed on 1 of 6 clips (a), stage generate\n  KeyError: 'prompt' (adapter.py:42)\n"
        "  | [red]2\n  | 3\n  | 4\n  | 5\n  | 6\n  log: x/logs/mine/seed-0/a.log\nm0 failed"
    )
    assert "m8 failed" in printed and printed.endswith("and 1 more in x/run.json\n")
