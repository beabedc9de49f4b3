"""Build the leaderboard site: ``python -m leaderboard.build RUN... --out DIR``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import tyro
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hoibench.arguments import parse
from hoibench.metric_card import Card, all_cards
from hoibench.progress import Progress
from hoibench.results.board import Board, build_boards, build_paper_boards
from hoibench.results.run_folder import read_run
from hoibench.store import write_bytes
from leaderboard.board_view import build_board_view
from leaderboard.card_view import build_card_view, group_cards
from leaderboard.clip_choice import choose_clips
from leaderboard.clip_files import clip_file_names, clip_payloads
from leaderboard.media import MEDIA_FILE, PredictionMedia, collect_media, remove_stale_files
from leaderboard.payloads import board_payloads, write_data
from leaderboard.reported_results import read_papers
from leaderboard.run_view import build_failure_views, build_run_view
from leaderboard.self_test_view import build_self_test_view
from leaderboard.strip import build_strip

Media = dict[tuple[int, int], PredictionMedia]
MAX_PAGE_BYTES = 3_000_000
HERE = Path(__file__).parent
"""The folder of templates and assets.  It is not found by package name, which in a run folder would mean the run's own leaderboard/."""


@dataclass(frozen=True)
class Page:
    """A page of the site: its file, its name in the navigation, and the styles and scripts that it needs beyond page.css and page.js."""

    file: str
    title: str
    styles: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExtraPage:
    """A page that another program adds to the site.

    Attributes:
        file: its file name, e.g. ``ablations.html``.
        title: its heading and its name in the navigation.
        html: its contents, put into the site's frame as they are: text in them must be escaped already.
    """

    file: str
    title: str
    html: str


BOARD_SCRIPTS = ("statistics.js", "board_data.js", "clip_filter.js", "board.js")
SCENE_SCRIPTS = ("orbit.js", "painter.js", "curve.js", "scene.js")
PAGES = (
    Page("index.html", "Results", ("board.css", "player.css"), (*BOARD_SCRIPTS, "player.js", "strip.js")),
    Page(
        "clip.html",
        "Clips",
        ("player.css", "scene.css", "clip.css"),
        ("statistics.js", "board_data.js", "player.js", *SCENE_SCRIPTS, "clip_numbers.js", "clip_table.js", "clip.js"),
    ),
    Page("paper.html", "Papers’ tables", ("board.css",), BOARD_SCRIPTS),
    Page("metrics.html", "Metrics"),
    Page("runs.html", "Runs"),
)


@dataclass(frozen=True, kw_only=True)
class SiteOptions:
    """The parts of a site that cost space."""

    media_clips: int = 24
    """At most so many clips a board have videos and points; 0: none."""

    videos: bool = False
    """Copy the full-size videos into the site."""

    def __post_init__(self) -> None:
        if self.media_clips < 0:
            raise ValueError(f"--media-clips {self.media_clips}: give 0 for no videos, or a number of clips")


@dataclass(frozen=True, kw_only=True)
class BuildOptions(SiteOptions):
    """Build a site from run folders: a folder of pages with their data, which opens from a file or a web server."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, with run.json and results.parquet."""

    out: Path
    """The folder to write, created if missing."""


def build(
    runs: Sequence[Path],
    out: Path,
    cards: Mapping[str, Card] | None = None,
    *,
    options: SiteOptions = SiteOptions(),
    extra: Sequence[ExtraPage] = (),
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Path:
    """Write the site of some runs to a folder, replacing an existing one file by file, index.html last.

    Args:
        runs: run folders, each with run.json and results.parquet.
        out: folder to write to, created if missing.
        cards: metric cards (descriptions) by id; those of all installed metrics if None.
        options: how much media the site has.
        extra: further pages.
        on_progress: called with the stage ``page`` and how much of it is done.

    Returns:
        The path of index.html.

    Raises:
        FileNotFoundError, ValueError: a run is missing or invalid (see ``read_run``), or a page would exceed 3 MB.
    """
    cards = all_cards() if cards is None else cards
    found = [read_run(folder) for folder in runs]
    boards, paper_boards = build_boards(found, cards), build_paper_boards(found, cards)
    card_numbers = {metric: n for n, metric in enumerate(cards, start=1)}
    failures, more_failures = build_failure_views(found)
    named = {f"b{n}": board for n, board in enumerate(boards, start=1)}
    papers = {f"p{n}": board for n, board in enumerate(paper_boards, start=1)}
    media = _collect_media(named, out, options, on_progress)
    views = [build_board_view(board, card_numbers, n) for n, board in enumerate(boards, start=1)]
    contents: dict[str, dict[str, object]] = {
        "index.html": {
            "failures": failures,
            "more_failures": more_failures,
            "boards": views,
            "strips": [build_strip(board, n, media[f"b{n}"]) for n, board in enumerate(boards, start=1)],
        },
        "clip.html": {"boards": views},
        "paper.html": {
            "papers": read_papers(),
            "boards": [build_board_view(board, card_numbers, n) for n, board in enumerate(paper_boards, start=1)],
        },
        "metrics.html": {
            "card_groups": group_cards([build_card_view(card, card_numbers[card.id]) for card in cards.values()]),
            "self_test": build_self_test_view(cards, card_numbers),
        },
        "runs.html": {"runs": [build_run_view(run) for run in found]},
    }
    pages = _render_pages(out, contents, extra)
    _write_data(named, papers, media, card_numbers, out)
    for path in sorted((HERE / "assets").iterdir()):
        write_bytes(out / "assets" / path.name, path.read_bytes())
    for name in sorted(pages, key="index.html".__eq__):
        write_bytes(out / name, pages[name])
    return out / "index.html"


def _collect_media(
    boards: Mapping[str, Board], out: Path, options: SiteOptions, on_progress: Callable[[Progress], None]
) -> dict[str, Media]:
    """Make the media of the boards, and return what ``collect_media`` does by the board's name."""

    def report(done: int, total: int) -> None:
        on_progress(Progress("page", done, total))

    return {
        name: collect_media(board, choose_clips(board, options.media_clips), out, options.videos, on_progress=report)
        for name, board in boards.items()
    }


def _write_data(
    boards: Mapping[str, Board],
    papers: Mapping[str, Board],
    media: Mapping[str, Media],
    card_numbers: Mapping[str, int],
    out: Path,
) -> None:
    """Write the data files of all boards, and remove the data and media of an earlier build."""
    payloads: list[Iterator[tuple[str, object]]] = []
    for name, board in boards.items():
        payloads += [
            board_payloads(board, name, clip_file_names(name, media[name]), card_numbers),
            clip_payloads(board, name, media[name]),
        ]
    payloads += [board_payloads(board, name, {}, card_numbers) for name, board in papers.items()]
    write_data(out, {**boards, **papers}, chain.from_iterable(payloads))
    every = [found for of_board in media.values() for found in of_board.values()]
    files = {Path(file).name for found in every for file in (*found.sheets, *found.videos)}
    remove_stale_files(out / "media", MEDIA_FILE, files)


def _render_pages(
    out: Path, contents: Mapping[str, Mapping[str, object]], extra: Sequence[ExtraPage]
) -> dict[str, bytes]:
    """Return the pages by file name; one that would be too large lacks the drawers, i.e. the numbers and commands behind its cells.

    Raises:
        ValueError: a page is too large.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages = (*PAGES, *(Page(page.file, page.title) for page in extra))
    values = {**contents, **{page.file: {"title": page.title, "html": page.html} for page in extra}}

    def render(page: Page, has_drawers: bool) -> bytes:
        template = environment.get_template(page.file if page in PAGES else "extra.html")
        frame = {"pages": pages, "file": page.file, "styles": page.styles, "scripts": page.scripts}
        return template.render(values[page.file], **frame, has_drawers=has_drawers).encode()

    rendered = {}
    for page in pages:
        text = render(page, has_drawers=True)
        if len(text) > MAX_PAGE_BYTES:
            text = render(page, has_drawers=False)
        if len(text) > MAX_PAGE_BYTES:
            raise ValueError(
                f"{out / page.file} would have {len(text)} bytes, more than {MAX_PAGE_BYTES}: put fewer runs on one site"
            )
        rendered[page.file] = text
    return rendered


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a site from the command line; return 0, 2 if a run cannot be read or the site not be written, or 130 for Ctrl-C."""
    try:
        options = parse(BuildOptions, sys.argv[1:] if arguments is None else arguments, "python -m leaderboard.build")
        if not options.runs:
            raise ValueError("no run given: give run folders")
        index = build(options.runs, options.out, options=options)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: give the same command again; the videos made so far are kept\n")
        return 130
    sys.stdout.write(f"{index}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
