"""Evaluation of the rows of Tables 3 and 4 on the benchmark, a run for each training, and the recording of its results."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hoibench import __version__
from hoibench.metric_card import all_cards
from hoibench.results.board import Board, build_boards
from hoibench.results.run_folder import read_run
from hoibench.store import sha256_json, write_bytes
from hoibench.store.atomic import new_folder
from leaderboard.build import ExtraPage, SiteOptions, build
from reference_model.ablations.comparison import COLUMNS, METHOD
from reference_model.ablations.rows import ROWS, START
from reference_model.ablations.tables import build_report, html_report, latex_report, markdown_report
from reference_model.loading.model_folder import CHECKPOINTS, METADATA_FILE, read_config_and_digest
from reference_model.method import read_spec
from reference_model.publishing.results import record_run

RECORDED = CHECKPOINTS / "ablations" / "results"
"""Folder of the recorded runs, one for each training."""
START_FOLDER = CHECKPOINTS / "ablations" / START
"""Folder of the rows' common start, from which they can be trained again."""
SITE_CLIPS = 3
"""Clips with videos on the site of all trainings; the page of each run has more."""
DOCS = CHECKPOINTS.parents[1] / "docs" / "ablations.md"
NOT_RECORDED = "Not yet recorded: the rows have to be trained and evaluated first, by the commands above.\n"
BEGIN, END = "<!-- begin of the recorded tables -->", "<!-- end of the recorded tables -->"


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of the rows of a base.

    Attributes:
        base: the preset of which the rows are variants, such as ``micro``.
        models: of each training the folder of each row's model, by name of the row.
        runs: folder of the runs, one for each training.
        clips: arguments of ``hoibench run`` that choose clips and seeds.
        flags: its arguments that change no value, such as the number of workers.
    """

    base: str
    models: Sequence[Mapping[str, Path]]
    runs: Path
    clips: Sequence[str] = ()
    flags: Sequence[str] = ()

    @cached_property
    def run_folders(self) -> list[Path]:
        """The run folder of each training; its name has a digest of what decides the values, so that no run is continued with other models."""
        folders = []
        for n, models in enumerate(self.models):
            digests = {row: read_config_and_digest(model)[1] for row, model in models.items()}
            digest = sha256_json([__version__, self._metrics, digests, *self.clips])
            folders.append(self.runs / f"training-{n}-{digest[:8]}")
        return folders

    def run_arguments(self) -> list[list[str]]:
        """Return the arguments of ``hoibench run`` for each training."""
        runs = []
        for models, folder in zip(self.models, self.run_folders, strict=True):
            words = [*self.clips, "--metrics", self._metrics, "--no-frozen-self", "--out", str(folder), *self.flags]
            for row, model in models.items():
                key = f"{METHOD}+{self.base}-{row}"
                words += ["--method", key, "--set", f"{key}.checkpoint={model}"]
            runs.append(words)
        return runs

    @cached_property
    def _metrics(self) -> str:
        """The metrics of the columns and their companions, joined by commas."""
        wanted = {column.metric for column in COLUMNS}
        cards = [card for id, card in all_cards().items() if id.partition("@")[0] in wanted]
        companions = [rule.metric for card in cards for rule in card.companions]
        return ",".join(dict.fromkeys([*(card.id for card in cards), *companions]))


def shipped_folders(base: str) -> dict[str, Path]:
    """Return the folders in which the models of the rows are part of hoibench, by name of the row, whether or not they are there yet."""
    presets = read_spec().presets
    settings = {name: presets[f"{base}-{name}"].settings for name in ROWS if f"{base}-{name}" in presets}
    return {name: Path(str(each["checkpoint"])) for name, each in settings.items() if "checkpoint" in each}


def shipped_models(base: str) -> dict[str, Path]:
    """Return the folders of the models of the rows that are part of hoibench, by name of the row."""
    return {name: path for name, path in shipped_folders(base).items() if (path / METADATA_FILE).is_file()}


def export_models(models: Mapping[str, Path], folders: Mapping[str, Path]) -> dict[str, Path]:
    """Write models of rows in float16, and return the folders with these, by name of the row.

    Args:
        models: folder of each row's model, and of the common start's.
        folders: folder to write of each of them; those of rows with the same weights are the same.

    Raises:
        ValueError: a model, or all together, are too large to be part of hoibench; nothing is written.
    """
    from reference_model.ablations.stored_sizes import check_sizes
    from reference_model.loading.saved_model import load_model, save_model

    own = {name: model for name, model in models.items() if name == START or not ROWS[name].weights}
    check_sizes({name: read_config_and_digest(model)[0] for name, model in own.items()}, next(iter(own.values())))
    for name, model in own.items():
        save_model(folders[name], load_model(model).model.half(), model)
    return {name: folders[name] for name in models}


def read_board(folders: Sequence[Path]) -> Board:
    """Return the board of the runs of all trainings.

    Raises:
        ValueError: the runs share no clips.
    """
    boards = build_boards([read_run(folder) for folder in folders], all_cards())
    if len(boards) != 1:
        raise ValueError(f"{', '.join(map(str, folders))} share no clips: evaluate all trainings on the same clips")
    return boards[0]


def write_report(folders: Sequence[Path], base: str, out: Path) -> Path:
    """Write the tables of some runs as Markdown and LaTeX, and their site with the page of the ablations; return the path of this page."""
    report = build_report(read_board(folders), base)
    write_bytes(out / "ablations.md", markdown_report(report).encode())
    write_bytes(out / "ablations.tex", latex_report(report).encode())
    page = ExtraPage("ablations.html", "Ablations", html_report(report))
    index = build(folders, out / "site", options=SiteOptions(media_clips=SITE_CLIPS), extra=[page])
    return index.with_name("ablations.html")


def record(folders: Sequence[Path], base: str, out: Path, docs: Path, names: Mapping[str, str]) -> None:
    """Copy the results of runs, without paths of this machine, to a folder, and write their tables into a page of the documentation.

    Args:
        folders: the run folders, one for each training.
        base: the base of the rows.
        out: the folder to write, with a subfolder for each run; earlier results there are deleted.
        docs: the page, with the lines ``BEGIN`` and ``END``, between which the tables come.
        names: what stands for other paths in the records, by path.

    Raises:
        ValueError: the page lacks one of these lines.
    """
    places = {f"{folder}/": "" for folder in (CHECKPOINTS.parents[1], *(each.absolute().parent for each in folders))}
    with new_folder(out) as new:
        for n, source in enumerate(folders):
            own = {f"{Path.cwd()}/": "", source.name: f"training-{n}"}
            record_run(source, new / f"training-{n}", {**places, **own, **names})
    write_tables(docs, recorded_tables(out, base))


def publish(staged: Mapping[str, Path]) -> None:
    """Make models in float16, by name of the row or of the common start, those that are part of hoibench."""
    folders = {START: START_FOLDER} | shipped_folders("micro")
    for folder, model in {folders[name]: model for name, model in staged.items()}.items():  # rows may share a folder
        with new_folder(folder) as new:
            shutil.copytree(model, new, dirs_exist_ok=True)


def recorded_tables(folder: Path, base: str) -> str:
    """Return the tables of the recorded runs in a folder in Markdown, or that there are none."""
    runs = sorted(path.parent for path in folder.glob("*/run.json"))
    return markdown_report(build_report(read_board(runs), base)) if runs else NOT_RECORDED


def write_tables(docs: Path, tables: str) -> None:
    """Replace what stands between the lines ``BEGIN`` and ``END`` of a page.

    Raises:
        FileNotFoundError, ValueError: there is no such page, or it lacks one of these lines.
    """
    text = docs.read_text("utf-8")
    head, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{docs} lacks the line {BEGIN} or {END}: restore it")
    write_bytes(docs, f"{head}{begin}\n{tables}\n{end}{tail}".encode())
