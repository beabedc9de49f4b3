"""Build the page: ``python -m leaderboard.build RUN... --out DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hoibench.metric_card import GROUPS, Card, all_cards
from hoibench.results.board import build_boards
from hoibench.results.runs import Run, read_run
from hoibench.store import write_bytes
from leaderboard.reported import read_papers
from leaderboard.run_facts import run_view
from leaderboard.text import plain
from leaderboard.views import ARROWS, DIRECTIONS, board_view

MAX_INDEX_BYTES = 3_000_000
HERE = Path(__file__).parent
"""Not by package name: in a run's folder that would find the run's own leaderboard/."""

ASSETS = ("board.css", "board.js")


@dataclass(frozen=True)
class CardView:
    """A metric card as the page prints it: ``facts`` are (name, text) in reading order."""

    place: int
    id: str
    title: str
    group: str
    formula: str
    direction: str
    facts: tuple[tuple[str, str], ...]


def build(runs: Sequence[Path], out: Path, cards: Mapping[str, Card] | None = None) -> Path:
    """Write the page of some runs to ``out``; a page that is there is replaced file by file, the index last.

    Args:
        runs: run folders, each with run.json and results.parquet.
        out: folder to write to, made if it is missing.
        cards: metric cards; those registered when None.

    Returns:
        The path of index.html.

    Raises:
        FileNotFoundError, ValueError: a run is missing or broken (see ``read_run``), or the index would exceed 3 MB.
    """
    cards = all_cards() if cards is None else cards
    page = render([read_run(folder) for folder in runs], cards).encode()
    if len(page) > MAX_INDEX_BYTES:
        raise ValueError(
            f"{out / 'index.html'} would have {len(page)} bytes, more than {MAX_INDEX_BYTES}: put fewer runs on one page"
        )
    for name in ASSETS:
        write_bytes(out / "assets" / name, (HERE / "assets" / name).read_bytes())
    write_bytes(out / "index.html", page)
    return out / "index.html"


def render(runs: Sequence[Run], cards: Mapping[str, Card]) -> str:
    """The index as HTML; raises as ``build``."""
    places = {metric: n for n, metric in enumerate(cards, start=1)}
    boards = [board_view(board, places) for board in build_boards(runs, cards)]
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("index.html").render(
        boards=boards,
        papers=read_papers(),
        cards=_grouped([_card_view(card, places[card.id]) for card in cards.values()]),
        runs=[run_view(run) for run in runs],
    )


def _card_view(card: Card, place: int) -> CardView:
    low, high = ("unbounded" if end is None else f"{end:g}" for end in card.bounds)
    facts = (
        ("unit", card.unit),
        ("bounds", "unbounded" if low == high == "unbounded" else f"{low} to {high}"),
        ("regions", ", ".join(card.regions)),
        ("needs", ", ".join(card.needs)),
        ("weights", ", ".join(card.weights) or "none"),
        ("presets", ", ".join(card.presets)),
        ("shown only beside", f"{card.companion.metric}: {card.companion.why}" if card.companion else ""),
        ("greyed where a row hardly moves by", ", ".join(card.stillness.motion) if card.stillness else ""),
        ("source", card.source),
        ("implementation", card.implementation),
        ("deviations", card.deviations),
        ("known failure", card.failure),
    )
    return CardView(
        place=place,
        id=plain(card.id, 80),
        title=plain(card.title, 80),
        group=card.group_title,
        formula=plain(card.formula, 1000),
        direction=f"{ARROWS[card.direction]} {DIRECTIONS[card.direction]}".strip()
        + ("" if card.ranked else "; secondary, never ranked"),
        facts=tuple((name, plain(text, 2000)) for name, text in facts if text),
    )


def _grouped(cards: Sequence[CardView]) -> list[tuple[str, list[CardView]]]:
    by_group = {group.title: [card for card in cards if card.group == group.title] for group in GROUPS.values()}
    return [(title, members) for title, members in by_group.items() if members]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a page from the command line; 0, or 2 for a run that cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m leaderboard.build", description="Build a static page from run folders."
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder with run.json and results.parquet")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write index.html to")
    options = parser.parse_args(arguments)
    try:
        index = build(options.runs, options.out)
    except (OSError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    sys.stdout.write(f"{index}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
