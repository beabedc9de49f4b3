"""Recorded results of a published model: run folders without machine paths, and their tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
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
from hoibench.results.significance import compare_pairs
from hoibench.store import atomic_write, write_bytes
from hoibench.text import count

METRICS = (
    "chamfer",
    "mv_rpe_scene",
    "accel_error",
    "motion_following",
    "psnr",
    "ssim",
    "dynamic_degree_px/dis",
    "net_motion/dis",
    "hand_error",
    "object_error",
    "object_following",
    "rigidity",
    "object_rotation",
    "object_translation",
    "contact_accuracy",
    "contact_depth_error",
)
"""Metrics that are recorded, without versions: those of the tables' comparisons, how far videos move, and those of hands and objects."""
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
        record = record.replace(json.dumps(text, ensure_ascii=False)[1:-1], names[text])
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

    def named(keys: Sequence[str]) -> dict[int, str]:
        return {index[key]: _short_name(key, model) for key in keys}

    return "\n".join(
        [
            f"## {board.split.rpartition('/')[2]}",
            "",
            f"{count(len(board.clips), 'clip')} of {board.split}, {count(board.clusters, 'object pair')}. Means with 95 % intervals:",
            "",
            *_value_lines(board, named([model, *variants, *references, GROUND_TRUTH]), columns),
            "",
            "Against the reference rows:",
            "",
            *_compare_with_first(board, named([model, *references])),
            "",
            "Chamfer distance of moving parts alone, those of which the true points move by 1 mm or more; mean of a clip's parts:",
            "",
            *_comparison_lines(_compare_moving_parts(run, [model, *variants, *references]), model),
            "",
            "The loop, with the same weights and the same noise:",
            "",
            *_compare_with_first(board, named([model, *variants])),
            "",
        ]
    )


def describe_second_training(first: Path, second: Path, model: str, cards: Mapping[str, Card]) -> str:
    """Return a table of Markdown that compares the results of two trainings of a model, which differ in the seed alone.

    Args:
        first: the recorded run of the one training.
        second: that of the other, on the same clips.
        model: the model's key in both.
        cards: the metrics' descriptions by id.

    Raises:
        ValueError: the runs are of different clips.
    """
    boards = build_boards([read_run(first), read_run(second)], cards)
    if len(boards) != 1 or len(boards[0].clip_set_ids) != 1:
        raise ValueError(f"{first} and {second} are of different clips: evaluate both trainings on the same ones")
    (board,) = boards
    rows = {row.run.folder: n for n, row in enumerate(board.rows) if row.method.key == model}
    lines = _compare_with_first(board, {rows[first]: model, rows[second]: "second training"})
    return "\n".join(["The same model, trained again with another seed:", "", *lines, ""])


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


def _compare_with_first(board: Board, names: Mapping[int, str]) -> list[str]:
    """Compare rows of a board, by index with their names, in all recorded metrics that have an order; return the first one's comparisons as a table.

    The result of a pair of which one value is misleading, as its metric's card says, is ``not judged``.
    """
    cards = [column.card for column in board.columns]
    columns = [n for n, card in enumerate(cards) if card.id.partition("@")[0] in METRICS and card.direction != "none"]
    labels = {board.rows[m].label: name for m, name in names.items()}
    found = compare_methods(board, list(names), columns).replace({"first": labels, "second": labels, "better": labels})
    greyed = {
        (board.columns[n].card.id, board.columns[n].region, names[m])
        for n in columns
        for m in names
        if board.cells[m, n].grey
    }
    return _comparison_lines(found, next(iter(names.values())), greyed)


def _compare_moving_parts(run: Run, keys: Sequence[str]) -> pd.DataFrame:
    """Compare the Chamfer distances of moving parts of the first method with those of the others; columns as in ``compare_methods``."""
    clips = sorted(run.record.clips, key=lambda clip: clip.id)
    scores = moving_part_scores(read_rows(run.folder / "results.parquet"), "chamfer", keys, [clip.id for clip in clips])
    present = np.isfinite(scores)
    lines = []
    for test in compare_pairs(np.nan_to_num(scores), present, cluster_labels(tuple(clips))):
        both = present[:, test.first] & present[:, test.second]
        if not both.any():
            continue
        first, second = (_short_name(keys[n], keys[0]) for n in (test.first, test.second))
        mean_first, mean_second = scores[both][:, [test.first, test.second]].mean(axis=0)
        better = "" if not test.is_separated else first if test.difference < 0 else second
        lines.append(
            {"metric": "chamfer", "region": "full", "quantity": "value", "unit": "m", "first": first, "second": second,
             "mean_first": mean_first, "mean_second": mean_second, "better": better}
            | {name: getattr(test, name) for name in ("difference", "low", "high", "p")}
        )  # fmt: skip
    return pd.DataFrame(lines, columns=["first"] if not lines else None)


def _short_name(key: str, model: str) -> str:
    """Return the name of a row in the tables: of the model's variants the end of their key, without the model's own key."""
    return key.removesuffix(f"/{model}") if key.startswith(FROZEN_SELF) else key.removeprefix(f"{model}-")


def _comparison_lines(found: pd.DataFrame, model: str, greyed: Collection[tuple[str, str, str]] = ()) -> list[str]:
    """Return the rows of a comparison that have the model as first, as a table; ``greyed`` has metric, region and name of misleading values."""
    lines = []
    for row in found[found["first"] == model].to_dict("records"):
        unit = row["unit"] if row["quantity"] == "value" else row["quantity"]
        result = "not separated" if not row["better"] else "better" if row["better"] == model else "worse"
        if any((row["metric"], row["region"], row[name]) in greyed for name in ("first", "second")):
            result = "not judged"
        interval = f"{_number(row['difference'])} [{_number(row['low'])}, {_number(row['high'])}]"
        means = (_number(row["mean_first"]), _number(row["mean_second"]))
        lines.append(
            (_title(row["metric"], row["region"], unit), row["second"], *means, interval, f"{row['p']:.4f}", result)
        )
    return _table(("metric", "other", "model", "other's", "difference [95 %]", "p", "model is"), lines)


def _value_lines(board: Board, names: Mapping[int, str], columns: Sequence[int]) -> list[str]:
    """Return the mean and interval of some rows of a board, by index with their names, and of some of its columns, as a table."""
    titles = [_title(each.card.id, each.region, each.card.unit) for each in (board.columns[n] for n in columns)]
    lines = []
    for m, name in names.items():
        texts = []
        for cell in (board.cells[m, n] for n in columns):
            interval = cell.value_interval
            ends = f" [{_number(interval.low)}, {_number(interval.high)}]" if interval else ""
            greyed = ", greyed" if cell.grey else ""
            texts.append(cell.status if cell.value is None else f"{_number(cell.value)}{ends}{greyed}")
        lines.append((name, *texts))
    return _table(("method", *titles), lines)


def _title(metric: str, region: str, unit: str) -> str:
    return f"{metric.partition('@')[0]}{', foreground' if region == 'fg' else ''}{f' ({unit})' if unit not in ('', '1') else ''}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def _number(value: float) -> str:
    return "-" if value != value else f"{value + 0.0:.4g}"
