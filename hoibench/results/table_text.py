"""Tables as text for other programs: CSV, Markdown and LaTeX, in which every cell stays text of its cell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "\N{MINUS SIGN}": "$-$", **{c: f"\\{c}" for c in "&%$#_{}"},
}  # fmt: skip


def markdown_table(rows: Iterable[Mapping[Any, str]]) -> str:
    r"""Return rows with the same keys as a Markdown table, whose cells show each text as it is.

    >>> print(markdown_table([{"name": "a|b_c", "value": "1"}]))
    | name | value |
    | --- | --- |
    | a\|b\_c | 1 |
    """
    rows = list(rows)
    lines = [rows[0], ["---"] * len(rows[0]), *(row.values() for row in rows)] if rows else []
    return "\n".join(
        f"| {' | '.join(line if n == 1 else map(escape_markdown, line))} |" for n, line in enumerate(lines)
    )


def escape_markdown(text: str) -> str:
    r"""Return a text in Markdown that shows it as it is, on one line.

    >>> print(escape_markdown("a|b_c"))
    a\|b\_c
    """
    return re.sub(r"([\\`*_<\[\]|])", r"\\\1", _one_line(text))


def csv_table(table: pd.DataFrame) -> str:
    """Return a table as CSV.

    A spreadsheet would take a text that begins with ``=``, ``+``, ``-`` or ``@`` for a formula; such texts get an apostrophe before them.
    """
    quoted = table.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell)
    return quoted.to_csv(index=False)


def latex_table(table: pd.DataFrame, caption: str | None = None) -> str:
    """Return a table of texts as LaTeX, which needs the package booktabs; with a caption it is a floating table."""
    escaped = table.map(_escape_latex).rename(columns=_escape_latex)
    return escaped.to_latex(index=False, escape=False, caption=None if caption is None else _escape_latex(caption))


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def _one_line(text: Any) -> str:
    """Return a text without line breaks and characters that cannot be seen."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
