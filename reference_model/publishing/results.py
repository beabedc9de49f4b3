"""Recorded results of a published model: run folders without machine paths, and their tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hoibench.metric_card import Card
from hoibench.reference_rows import FROZEN, FROZEN_SELF, GROUND_TRUTH, RANDOM
from hoibench.results.board import Board, build_boards
from hoibench.results.board_rows import cluster_labels
from hoibench.results.comparison import compare_methods
from hoibench.results.results_file import read_rows
from hoibench.results.run_folder import Run, read_run
from hoibench.results.significance import PairedTest, compare_pairs
from hoibench.store import atomic_write, write_bytes

METRICS = ("chamfer", "mv_rpe_scene", "accel_error", "motion_following", "psnr", "ssim", "matching_pixels_rel/sift-mnn")
"""Metrics of the tables, without versions."""
FOLLOWING = "motion_following"


def record_run(source: Path, folder: Path, names: Mapping[str, str]) -> None:
    """Copy a run's record and results to a folder, without values of single views, pairs and frames, and without the paths of this machine.

    Args:
        source: the run's folder.
        folder: the folder to write, another run folder for ``hoibench show`` and ``hoibench compare``.
        names: what stands for a text in the record, such as a machine's path.
    """
    record = (source / "run.json").read_text("utf-8")
    for text in sorted(names, key=len, reverse=True):
        record = record.replace(json.dumps(text)[1:-1], names[text])
    is_recorded = pc.field("view").is_null() & pc.field("pair").is_null() & pc.field("frame").is_null()
    table = pq.read_table(source / "results.parquet", filters=is_recorded)
    with atomic_write(folder / "results.parquet") as temporary:
        pq.write_table(table, temporary, compression="zstd")
    write_bytes(folder / "run.json", record.encode())


def describe_run(folder: Path, model: str, variants: Sequence[str], cards: Mapping[str, Card]) -> str:
    """Return a section of Markdown on one recorded run: values, comparisons with reference rows, moving parts alone, and the loop.

    Args:
        folder: the recorded run.
        model: the model's key in it.
        variants: keys of the same model, sampled without parts of the loop.
        cards: the metrics' descriptions by id.
    """
    run = read_run(folder)
    (board,) = build_boards([run], cards)
    references = [RANDOM, FROZEN_SELF + model, FROZEN]
    index = {row.method.key: n for n, row in enumerate(board.rows)}
    columns = [n for n, column in enumerate(board.columns) if column.card.id.partition("@")[0] in METRICS]
    ranked = [n for n in columns if board.columns[n].card.direction != "none"]

    def compare(keys: Sequence[str]) -> list[str]:
        return _comparison_lines(
            compare_methods(board, [index[key] for key in keys], ranked), board.rows[index[keys[0]]].label
        )

    return "\n".join(
        [
            f"## {board.split.rpartition('/')[2]}",
            "",
            f"{len(board.clips)} clips of {board.split}, {board.clusters} object pairs. Means with 95 % intervals:",
            "",
            *_value_lines(board, [index[key] for key in (model, *variants, *references, GROUND_TRUTH)], columns),
            "",
            "Against the reference rows:",
            "",
            *compare([model, *references]),
            "",
            "Chamfer distance of moving parts alone, those of which the true points move by 1 mm or more; mean of a clip's parts:",
            "",
            *_moving_lines(
                run, [model, *variants, *references], {key: board.rows[n].label for key, n in index.items()}
            ),
            "",
            "The loop, with the same weights and the same noise:",
            "",
            *compare([model, *variants]),
            "",
        ]
    )


def moving_part_scores(results: pd.DataFrame, metric: str, keys: Sequence[str], clips: Sequence[str]) -> np.ndarray:
    """Return the mean score over the moving parts (hands, objects) of each clip, (C, J) float64; NaN where a method has none.

    Args:
        results: all rows of a run.
        metric: name of a metric with a value for each part, without version.
        keys: keys of the J methods.
        clips: ids of the C clips.
    """
    names = results["metric"].str.partition("@")[0]
    parts = results[results["part"].notna() & (results["status"] == "ok")].assign(
        key=results["method"].str.cat("+" + results["preset"], na_rep=""), name=names
    )
    truth = parts[(parts["name"] == FOLLOWING) & (parts["key"] == GROUND_TRUTH)]  # undefined for parts at rest
    moving = set(zip(truth["clip"], truth["part"], strict=True))
    scores = parts[parts["name"] == metric]
    scores = scores[[pair in moving for pair in zip(scores["clip"], scores["part"], strict=True)]]
    table = scores.pivot_table(index="clip", columns="key", values="value", aggfunc="mean")
    return table.reindex(index=list(clips), columns=list(keys)).to_numpy(dtype=np.float64, na_value=np.nan)


def _moving_lines(run: Run, keys: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    clips = sorted(run.record.clips, key=lambda clip: clip.id)
    scores = moving_part_scores(read_rows(run.folder / "results.parquet"), "chamfer", keys, [clip.id for clip in clips])
    present = np.isfinite(scores)
    tests = compare_pairs(np.nan_to_num(scores), present, cluster_labels(tuple(clips)))
    lines = []
    for test in (test for test in tests if test.first == 0 and test.clips):
        both = present[:, 0] & present[:, test.second]
        means = scores[both][:, [0, test.second]].mean(axis=0)
        lines.append(
            _line(
                "chamfer (m)",
                labels[keys[test.second]],
                *means,
                test.difference,
                test.low,
                test.high,
                test.p,
                _winner(test),
            )
        )
    return [*_HEAD, *lines]


def _winner(test: PairedTest) -> str:
    return "" if not test.is_separated else "better" if test.difference < 0 else "worse"


_HEAD = (
    "| metric | other | model | other's | difference [95 %] | p | model is |",
    "|---|---|---|---|---|---|---|",
)


def _comparison_lines(found: pd.DataFrame, model: str) -> list[str]:
    """Return the rows of a comparison that have the model as first, as a table."""
    lines = []
    for row in found[found["first"] == model].to_dict("records"):
        unit = row["unit"] if row["quantity"] == "value" else row["quantity"]
        metric = f"{row['metric'].partition('@')[0]}{', foreground' if row['region'] == 'fg' else ''}{f' ({unit})' if unit else ''}"
        result = "" if not row["better"] else "better" if row["better"] == model else "worse"
        numbers = [row[name] for name in ("mean_first", "mean_second", "difference", "low", "high", "p")]
        lines.append(_line(metric, row["second"], *numbers, result))
    return [*_HEAD, *lines]


def _line(
    metric: str,
    other: str,
    mean: float,
    others: float,
    difference: float,
    low: float,
    high: float,
    p: float,
    result: str,
) -> str:
    interval = f"{_number(difference)} [{_number(low)}, {_number(high)}]"
    cells = (metric, other, _number(mean), _number(others), interval, f"{p:.4f}", result or "not separated")
    return f"| {' | '.join(cells)} |"


def _value_lines(board: Board, rows: Iterable[int], columns: Sequence[int]) -> list[str]:
    heads = [
        f"{board.columns[n].card.id}{', foreground' if board.columns[n].region == 'fg' else ''} ({board.columns[n].card.unit})"
        for n in columns
    ]
    lines = [f"| method | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for m in rows:
        texts = []
        for n in columns:
            cell = board.cells[m, n]
            interval = cell.value_interval
            ends = f" [{_number(interval.low)}, {_number(interval.high)}]" if interval else ""
            texts.append(
                cell.status if cell.value is None else f"{_number(cell.value)}{ends}{', greyed' if cell.grey else ''}"
            )
        lines.append(f"| {board.rows[m].label} | {' | '.join(texts)} |")
    return lines


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.4g}"
