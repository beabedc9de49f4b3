"""``hoibench power``: how many clips would separate methods, by simulation from a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import tyro

from hoibench.arguments import parse
from hoibench.text import printable


@dataclass(frozen=True)
class Power:
    """Estimate how many clusters and clips would separate each pair of methods at 80 % power, from the spread between a run's clusters."""

    names: tyro.conf.Positional[tuple[str, ...]]
    """Run folders (all their methods but the reference rows), or RUN:METHOD for one method or reference row."""

    metrics: tuple[str, ...] = field(default=(), metadata={"metavar": "ID"})
    """Only these metrics, by id, with or without version; without it all ranked ones."""

    region: str = "full"
    """full (with the metrics that only fg has) or fg."""

    difference: float | None = None
    """The difference to be separated, in the metric's unit, or in absolute log ratios or distances to the truth where the metric is ranked by
    these; without it the one that each pair has in the run."""

    power: float = 0.8
    """Share of tables in which the pair should be separated, between 0 and 1."""


def power_command(arguments: Sequence[str]) -> int:
    """Print the numbers of clusters and clips that would separate each pair on each metric; return the exit code."""
    options = parse(Power, arguments, "hoibench power")
    if not 0 < options.power < 1:
        raise ValueError(f"--power {options.power:g}: give a share between 0 and 1, such as 0.8")
    if options.difference is not None and not options.difference > 0:
        raise ValueError(f"--difference {options.difference:g}: give a difference above 0, in the metric's unit")
    import pandas as pd

    from hoibench.cli.compare import few_clusters_note, print_table, read_board
    from hoibench.results.comparison import find_rows, quantity, ranked_columns
    from hoibench.results.power import GRID, clusters_needed

    board = read_board(options.names, "power")
    rows = find_rows(board, options.names)
    lines, left_out = [], []
    for n in ranked_columns(board, options.metrics, options.region):
        card, scores = board.columns[n].card, board.scores[n]
        if not (scores.is_answered[rows] & scores.has_cost[rows].any(axis=1)).all():
            left_out.append(card.id)
            continue
        for needed in clusters_needed(
            scores.cost[rows].T, scores.has_cost[rows].T, board.cluster_labels, options.difference, power=options.power
        ):
            never = "never" if needed.difference == 0 else f"over {GRID[-1]}"
            unit = card.unit if quantity(card) == "value" else quantity(card)
            lines.append(
                {
                    "metric": card.id + (f" ({unit})" if unit else "") + (", primary" if card.primary else ""),
                    "first": board.rows[rows[needed.first]].label,
                    "second": board.rows[rows[needed.second]].label,
                    "difference": f"{abs(needed.difference):.4g}",
                    "clusters": never if needed.clusters is None else str(needed.clusters),
                    "clips": "-" if needed.clips is None else str(needed.clips),
                    "power": "-" if needed.power is None else f"{needed.power:.2f}",
                }
            )
    if not lines:
        names = ", ".join(board.rows[m].label for m in rows)
        raise ValueError(
            f"no ranked metric in region {options.region} has values of all of {names}; name fewer methods"
        )
    print_table(f"{board.split} ({board.kind}), region {options.region}", pd.DataFrame(lines))
    print(few_clusters_note(board))
    if left_out:
        print(printable(f"Left out, because not all of these methods have values: {', '.join(left_out)}."))
    print(
        f"Clusters: the least tried number that separates the pair in {options.power:.0%} of simulated tables or more, at the 5 % level "
        f"corrected for the pairs of the metric; clips at the run's {len(board.clips) / board.clusters:.3g} clips per cluster."
    )
    return 0
