"""Data files of the site: JSON values in small classic scripts, which a page loads on demand, even if it was opened from a file.

``data/b1.js`` describes the first board: its clips, rows and columns.  ``data/b1-c07.js`` has the values of its column 7 for every row and clip,
and ``data/b1-c07-s0.js`` those of seed 0 alone; ``data/b1.csv`` and so on are the board for other programs.  Strings of a run are sanitized
here, and the pages show them as text only.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from hoibench.clip import Array
from hoibench.results.board import Board
from hoibench.results.board_export import write_exports
from hoibench.results.cell_text import column_decimals
from hoibench.results.clip_scores import ClipScores
from hoibench.store import write_bytes
from leaderboard.bars import column_scale
from leaderboard.card_view import ARROWS
from leaderboard.media import remove_stale_files
from leaderboard.text import sanitize

DATA_FILE = re.compile(r"^([bp]\d+(-c\d+(-s\d+)?|-clip-\d+)?|p-[0-9a-f]+)\.js$|^[bp]\d+\.(csv|json|parquet|md|tex)$")
"""Names of the files of the folder data: scripts, and the exports of ``hoibench.results.board_export``."""


def write_data(out: Path, boards: Mapping[str, Board], payloads: Iterable[tuple[str, object]]) -> None:
    """Write the files of the site's folder data, and remove those that an earlier build left there.

    Args:
        out: the site's folder.
        boards: the boards by name; each is exported as ``NAME.csv`` and so on.
        payloads: (name, value) pairs, written as ``NAME.js``.
    """
    folder, written = out / "data", set()
    for name, value in payloads:
        write_bytes(folder / f"{name}.js", to_script(name, value))
        written.add(f"{name}.js")
    for name, board in boards.items():
        written |= {path.name for path in write_exports(board, folder, name)}
    remove_stale_files(folder, DATA_FILE, written)


def to_script(name: str, value: object) -> bytes:
    r"""Return a script that gives a JSON value to the page; it is ASCII, and without characters that mean something in HTML.

    >>> to_script("b1", {"title": "<é>"})
    b'hoibench.receive("b1", {"title":"\\u003c\\u00e9\\u003e"});\n'

    Raises:
        ValueError: the value has a number that is not finite.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'hoibench.receive("{name}", {text});\n'.encode("ascii")


def pack(array: Array) -> str:
    """Return an array as base64 of its little-endian numbers in row-major order, which ``hoibench.decode`` of page.js reads.

    >>> pack(np.array([1, 2], np.uint16))
    'AQACAA=='
    """
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode("ascii")


def row_keys(board: Board) -> tuple[str, ...]:
    """Return a key for each row of a board, which the data files and the addresses of the clip page name it by.

    It is the method's key; ``~2`` and so on is added where several runs have the same method, and to ``__proto__``, which no object in a script
    can have as a key.
    """
    keys: list[str] = []
    for row in board.rows:
        key = sanitize(row.method.key, 100)
        names = (key if n == 1 else f"{key}~{n}" for n in range(1, len(board.rows) + 2))
        keys.append(next(name for name in names if name not in (*keys, "__proto__")))
    return tuple(keys)


def clip_id(clip: str) -> str:
    """Return a clip's id as the pages show it."""
    return sanitize(clip, 100)


def clip_address(number: int, clip: str, keys: Sequence[str]) -> str:
    """Return the address of the page of a clip (id) of board ``number`` (from 1) that shows the rows with these keys."""
    return f"clip.html#{urlencode({'board': number, 'clip': clip_id(clip), 'rows': ','.join(keys)})}"


def board_payloads(
    board: Board, name: str, clip_files: Mapping[int, str], card_numbers: Mapping[str, int]
) -> Iterator[tuple[str, object]]:
    """Yield the (name, value) pairs of a board's data files: the board, and each column with all seeds and with each seed alone.

    Args:
        board: the board.
        name: its name, e.g. ``b1``.
        clip_files: names of the data files of single clips by clip index, for the clips that have one.
        card_numbers: number of each metric's card (description) on the page of metrics, by metric id.
    """
    yield name, board_payload(board, name, clip_files, card_numbers)
    for seed in (None, *board.seeds):
        suffix = "" if seed is None else f"-s{seed}"
        for n, scores in enumerate(board.scores if seed is None else board.scores_of_seed(seed)):
            withheld = [board.cells[m, n].status == "withheld" for m in range(len(board.rows))]
            payload = column_payload(scores, withheld)
            yield f"{name}-c{n:02d}{suffix}", payload | (clip_reasons(board, n) if seed is None else {})


def board_payload(
    board: Board, name: str, clip_files: Mapping[int, str], card_numbers: Mapping[str, int]
) -> dict[str, Any]:
    """Return the description of a board: its clips with their clusters, its rows and its columns; arguments as ``board_payloads``.

    A column's ``scale`` has the values at the ends of its bars, its ``file`` the name of the file with its values.
    """
    clips = [
        {
            "id": clip_id(clip.id),
            "triplet": [sanitize(word, 60) for word in clip.triplet] if clip.triplet else None,
            "cluster": int(cluster),
            "tags": [sanitize(tag, 60) for tag in clip.tags[:20]],
            "media": clip_files.get(c),
        }
        for c, (clip, cluster) in enumerate(zip(board.clips, board.cluster_labels, strict=True))
    ]
    rows = [
        {
            "key": key,
            "name": sanitize(row.label, 60),
            "role": row.role,
            "family": [sanitize(family, 12) for family in row.method.families[:6]],
            "seeds": row.seeds,
        }
        for key, row in zip(row_keys(board), board.rows, strict=True)
    ]
    return {
        "title": sanitize(board.split, 80),
        "kind": board.kind,
        "clips": clips,
        "rows": rows,
        "columns": [_column(board, n, f"{name}-c{n:02d}", card_numbers) for n in range(len(board.columns))],
        "seeds": list(board.seeds),
    }


def _column(board: Board, n: int, file: str, card_numbers: Mapping[str, int]) -> dict[str, Any]:
    column, scale = board.columns[n], column_scale(board, n)
    card = column.card
    return {
        "metric": sanitize(card.id, 100),
        "region": sanitize(column.region, 20),
        "title": sanitize(card.title, 60),
        "group": card.group_title,
        "card": card_numbers.get(card.id),
        "unit": sanitize(card.unit, 20),
        "direction": card.direction,
        "arrow": ARROWS[card.direction],
        "primary": card.primary,
        "ranked": card.is_ranked,
        "digits": column_decimals(board, n),
        "bounds": list(card.bounds),
        "scale": [scale.low, scale.high] if scale else None,
        "file": file,
    }


def column_payload(scores: ClipScores, withheld: list[bool]) -> dict[str, Any]:
    """Return the values of a column for M rows and C clips: base64 of (M, C) float64 arrays, with NaN where there is none.

    ``own_value`` (without failed seeds) is left out where it equals ``value``, and ``cost`` where it is ``value`` or its negative, which
    ``cost_sign`` then tells; a metric without a direction has no cost.  ``failed`` has the numbers of failed seeds as uint8; ``capped`` tells for
    each row whether failed seeds count in ``value`` with the cap, ``withheld`` whether a rule of the board hides its values.
    """
    value = np.where(scores.has_value, scores.value, np.nan)
    own_value = np.where(scores.has_own_value, scores.own_value, np.nan)
    cost = np.where(scores.has_cost, scores.cost, np.nan)
    payload: dict[str, Any] = {
        "value": pack(value),
        "failed": pack(np.minimum(scores.failed_seeds, 255).astype(np.uint8)),
        "capped": scores.capped.tolist(),
        "withheld": withheld,
    }
    if not np.array_equal(own_value, value, equal_nan=True):
        payload["own_value"] = pack(own_value)
    sign = next((sign for sign in (1, -1) if np.array_equal(cost, sign * value, equal_nan=True)), None)
    if sign is not None:
        payload["cost_sign"] = sign
    elif not np.isnan(cost).all():
        payload["cost"] = pack(cost)
    return payload


def clip_reasons(board: Board, n: int) -> dict[str, Any]:
    """Return why rows have no value of their own on clips in a column, as ``texts`` and ``reasons`` [row, clip, index of the text].

    A reason that holds on all clips of a row stands once, with -1 as its clip.
    """
    part, has_value = board.parts[n], board.scores[n].has_own_value
    places = part[["board_row", "clip_index"]].to_numpy()
    empty = part[~has_value[places[:, 0], places[:, 1]]].drop_duplicates(["board_row", "clip_index"])
    texts: dict[str, int] = {}
    reasons = []
    for row, of_row in empty.groupby("board_row"):
        found = [
            (int(c), texts.setdefault(sanitize(f"{status.replace('_', ' ')}: {reason}", 300), len(texts)))
            for c, status, reason in of_row[["clip_index", "status", "reason"]].itertuples(index=False, name=None)
        ]
        is_everywhere = len(found) == has_value.shape[1] and len({text for _, text in found}) == 1
        reasons += [[int(row), c, text] for c, text in ([(-1, found[0][1])] if is_everywhere else found)]
    return {"texts": list(texts), "reasons": reasons} if reasons else {}
