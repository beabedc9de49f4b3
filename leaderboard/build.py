"""Build the leaderboard page: ``python -m leaderboard.build RUN... --out DIR``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from hoibench.arguments import parse
from hoibench.metric_card import Card, all_cards
from hoibench.results.board import Board, build_boards, build_paper_boards, literal_cards
from hoibench.results.run_folder import Run, read_run
from hoibench.store import write_bytes
from leaderboard.board_view import build_board_view
from leaderboard.card_view import build_card_view, group_cards
from leaderboard.reported_results import read_papers
from leaderboard.run_view import build_failure_views, build_run_view

MAX_PAGE_BYTES = 3_000_000
HERE = Path(__file__).parent
"""The folder of templates and assets.  It is not found by package name, which in a run folder would mean the run's own leaderboard/."""

ASSETS = ("board.css", "board.js")


@dataclass(frozen=True)
class PageOptions:
    """Build a page from run folders: index.html, and paper.html if a run has the columns of the paper's tables."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, with run.json and results.parquet."""

    out: Path
    """The folder to write, created if missing."""


def build(runs: Sequence[Path], out: Path, cards: Mapping[str, Card] | None = None) -> Path:
    """Write the leaderboard page of some runs to a folder, replacing an existing page file by file, index.html last.

    paper.html has the columns of the paper's tables in their literal reading, unranked; it is written only if a run has such results.

    Args:
        runs: run folders, each with run.json and results.parquet.
        out: folder to write to, created if missing.
        cards: metric cards (descriptions) by id; those of all installed metrics if None.

    Returns:
        The path of index.html.

    Raises:
        FileNotFoundError, ValueError: a run is missing or invalid (see ``read_run``), or a page would exceed 3 MB.
    """
    cards = all_cards() if cards is None else cards
    found = [read_run(folder) for folder in runs]
    paper_boards = build_paper_boards(found, cards)
    pages = {"index.html": render_index(found, cards, has_paper=bool(paper_boards)).encode()}
    if paper_boards:
        pages["paper.html"] = render_paper(paper_boards, cards).encode()
    for name, page in pages.items():
        if len(page) > MAX_PAGE_BYTES:
            raise ValueError(
                f"{out / name} would have {len(page)} bytes, more than {MAX_PAGE_BYTES}: put fewer runs on one page"
            )
    for name in ASSETS:
        write_bytes(out / "assets" / name, (HERE / "assets" / name).read_bytes())
    if not paper_boards:
        (out / "paper.html").unlink(missing_ok=True)
    for name in reversed(pages):
        write_bytes(out / name, pages[name])
    return out / "index.html"


def render_index(runs: Sequence[Run], cards: Mapping[str, Card], *, has_paper: bool = False) -> str:
    """Return the HTML of the leaderboard page of some runs (index.html).

    Args:
        runs: the runs.
        cards: the metrics' descriptions by id.
        has_paper: true to link paper.html.
    """
    card_numbers = _card_numbers(cards)
    failures, more_failures = build_failure_views(runs)
    return _template("index.html").render(
        failures=failures,
        more_failures=more_failures,
        boards=[build_board_view(board, card_numbers) for board in build_boards(runs, cards)],
        papers=read_papers(),
        card_groups=group_cards([build_card_view(card, card_numbers[card.id]) for card in cards.values()]),
        runs=[build_run_view(run) for run in runs],
        has_paper=has_paper,
    )


def render_paper(boards: Sequence[Board], cards: Mapping[str, Card]) -> str:
    """Return the HTML of the page with the paper's columns in their literal reading (paper.html); boards from ``build_paper_boards``."""
    card_numbers = _card_numbers(cards)
    literal = [build_card_view(card, card_numbers[id]) for id, card in literal_cards(cards).items()]
    return _template("paper.html").render(
        boards=[build_board_view(board, card_numbers) for board in boards], card_groups=group_cards(literal)
    )


def _card_numbers(cards: Mapping[str, Card]) -> dict[str, int]:
    return {metric: n for n, metric in enumerate(cards, start=1)}


def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a leaderboard page from the command line; return 0, or 2 if a run cannot be read or the page not be written."""
    try:
        options = parse(PageOptions, sys.argv[1:] if arguments is None else arguments, "python -m leaderboard.build")
        if not options.runs:
            raise ValueError("no run given: give run folders")
        index = build(options.runs, options.out)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(f"{index}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
