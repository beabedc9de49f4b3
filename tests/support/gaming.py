"""Cheats: predictions made to score well without being right, and the run and the board that must not reward them.

Letters: V views, N frames, K points, H x W pixels; metres, camera space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from toy_runs import RecordingListener

from hoibench.clip import Array, Clip, Prediction
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset
from hoibench.datasets.registry import open_dataset
from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.download import TacoDownload
from hoibench.datasets.taco.recording import Recording
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.request import project_anchors
from hoibench.evaluation.run import run
from hoibench.geometry import to_camera
from hoibench.metric_card import all_cards
from hoibench.metrics.self_test_record import SHARE_SLACK, cost_slack
from hoibench.plugins import SPEC_FILE
from hoibench.predictions import write_prediction
from hoibench.reference_rows import FROZEN_SELF
from hoibench.results.board import Board, Column, build_boards
from hoibench.results.run_folder import read_run

CLIPS = ("20231002_129", "20231002_234", "20230927_272", "20231002_254", "20230927_163", "20230927_183")
"""The clips of the split ``demo``.  The first one has at least 50 matches that move; all but the last have 50 matches."""
SAME = 0.05
"""A cost that is higher than that of the twin by at most this share is as good."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth of a clip, from which cheats and their honest twins are made.

    Attributes:
        clip: the clip.
        surfaces: the true hands and objects.
        X: (V, N, K, 3) true points in camera space, metres.
        seen: (V, N, K) bool, true for the points that count: visible in frame 0 and in frame n.
        rng: a seeded generator; a cheat and its twin draw the same numbers.
    """

    clip: Clip
    surfaces: Sequence[Surface]
    X: Array
    seen: Array
    rng: np.random.Generator

    @classmethod
    def of(cls, clip: Clip, surfaces: Sequence[Surface]) -> Truth:
        tracks, cameras = clip.tracks, clip.cameras
        X = np.stack([to_camera(tracks.world.astype(np.float64), camera.R, camera.t) for camera in cameras])
        return cls(
            clip, surfaces, X, tracks.visible & tracks.visible[:, :1], np.random.default_rng([*clip.id.encode()])
        )

    @property
    def video(self) -> Array:
        """(V, N, H, W, 3) uint8 true video."""
        return self.clip.video

    @property
    def masks(self) -> Array:
        """(V, N, H, W) bool, true on hands and objects."""
        return self.clip.masks

    def noise(self, sigma: float | Array) -> Array:
        """Return Gaussian noise (V, N, K, 3), independent for each point, frame and view, with standard deviation ``sigma`` in metres."""
        return sigma * self.rng.normal(size=self.X.shape)

    def tracks(self, points: Array, valid: Array | None = None, copies: int = 1) -> Prediction:
        """Return tracks of the points that the benchmark asks for, ``copies`` of each."""
        anchors = np.tile(project_anchors(self.clip), (1, copies, 1))
        return Prediction(tracks=points.astype(np.float32), anchors=anchors, valid=valid)


Make = Callable[[Truth], Prediction | None]


@dataclass(frozen=True, eq=False)
class Cheat:
    """A cheat, its honest twin, and what must happen to it on the board.

    Attributes:
        make: makes the prediction from the truth; None fails the clip.
        twin: makes the honest prediction, than which the cheat must be no better in any ranked column that does not grey it.
        greyed: columns that must grey it.
        wins: columns in which it may still beat the twin, each with words of the card's known failures that name it; it does in at least one.
        same: columns in which it must be no worse than the twin either, since it is right.
        near: columns in which its cost may be lower than the twin's by up to the given number: few matches, which differ between processors.
    """

    make: Make
    twin: Make
    greyed: tuple[str, ...] = ()
    wins: Mapping[str, str] = field(default_factory=dict)
    same: tuple[str, ...] = ()
    near: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.make.__name__


def cheat(twin: Make, **expected: object) -> Callable[[Make], Cheat]:
    """Declare a function from the truth to a prediction as a cheat: ``@cheat(honest_twin, greyed=("smoothness@2",))``."""
    return lambda make: Cheat(make, twin, **expected)


def find_cheats(module: Mapping[str, object]) -> list[Cheat]:
    """Return the cheats among the names of a module, ``globals()``."""
    return [value for value in module.values() if isinstance(value, Cheat)]


def choose_entries(dataset: Dataset, clips: int) -> tuple[ClipEntry, ...]:
    """Return the first of ``CLIPS``."""
    entries = {entry.id: entry for entry in dataset.manifest("demo").entries}
    return tuple(entries[name] for name in CLIPS[:clips])


def write_predictions(folder: Path, makers: Iterable[Make], root: Path, clips: int) -> dict[str, Path]:
    """Write the predictions for the first of ``CLIPS``; return a folder of stored predictions for each maker, by name."""
    makers = {make.__name__: make for make in makers}
    dataset = open_dataset("synthetic", root)
    for entry in choose_entries(dataset, clips):
        clip, download = dataset.load(entry), TacoDownload(dataset.generate(entry))
        surfaces = Recording(download, download.sequence(entry.id)).surfaces
        for name, make in makers.items():
            prediction = make(Truth.of(clip, surfaces))
            if prediction is not None:
                write_prediction(folder / name / entry.id, prediction, clip.fps)
                (folder / name / SPEC_FILE).write_text(_spec(name, prediction, clip))
    return {name: folder / name for name in makers}


def _spec(name: str, prediction: Prediction, clip: Clip) -> str:
    outputs = [key for key in ("video", "tracks", "points", "masks") if getattr(prediction, key) is not None]
    if prediction.points is not None:
        pairing = "oracle-projection"
    else:
        asked = prediction.tracks is not None and prediction.tracks.shape[2] == clip.tracks.world.shape[1]
        pairing = "query" if asked else "anchor"
    family = "i2v" if prediction.video is not None else "ito4g"
    return f'id = "{name}"\nfamilies = ["{family}"]\noutputs = {outputs}\npairing = "{pairing}"\n'.replace("'", '"')


def run_predictions(out: Path, folders: Mapping[str, Path], root: Path, clips: int, **settings: object) -> None:
    """Score stored predictions beside the reference rows, as ``hoibench run --method NAME=FOLDER`` does, without ``frozen_self`` rows."""
    methods = tuple(f"{name}={folder}" for name, folder in folders.items())
    settings = {"metrics": "headline", "executor": "inline"} | settings
    dataset = open_dataset("synthetic", root)
    plan = make_plan(RunConfig(out=out, dataset="synthetic", root=root, method=methods, **settings), dataset, "cpu")
    entrants = tuple(entrant for entrant in plan.entrants if not entrant.key.startswith(FROZEN_SELF))
    run(replace(plan, entries=choose_entries(dataset, clips), entrants=entrants), RecordingListener())


def read_board(out: Path) -> Board:
    """Build the board of a run."""
    (board,) = build_boards([read_run(out)], all_cards())
    return board


def column_name(column: Column) -> str:
    """Return ``METRIC``, or ``METRIC fg`` for the foreground."""
    return column.card.id if column.region == "full" else f"{column.card.id} {column.region}"


def row_of(board: Board, name: str) -> int:
    """Return the index of the row of a method."""
    return [row.method.id for row in board.rows].index(name)


def greyed(board: Board, name: str) -> dict[str, str]:
    """Return the ranked columns that grey a method or withhold its value, each with the reason."""
    m = row_of(board, name)
    cells = {column_name(column): board.cells[m, n] for n, column in enumerate(board.columns) if column.card.is_ranked}
    reasons = {column: cell.grey or (cell.status == "withheld" and cell.reason) for column, cell in cells.items()}
    return {column: reason for column, reason in reasons.items() if reason}


def ranked_costs(board: Board, name: str, other: str) -> dict[str, tuple[float, float]]:
    """Return, by ranked column, the mean costs (lower is better) of two methods over the clips on which both have one."""
    first, second = row_of(board, name), row_of(board, other)
    costs = {}
    for column, scores in zip(board.columns, board.scores, strict=True):
        both = scores.has_cost[first] & scores.has_cost[second]
        if column.card.is_ranked and column.card.ranked_with_truth and both.any():
            costs[column_name(column)] = (scores.cost[first][both].mean(), scores.cost[second][both].mean())
    return costs


def is_better(column: str, cost: float, than: float, share: float = SHARE_SLACK) -> bool:
    """Return True if a cost in a column is lower than another by more than noise."""
    return bool(cost < than - cost_slack(all_cards()[column.split()[0]], than, share))


def check_cheat(board: Board, cheat: Cheat) -> None:
    """Assert that the board treats a cheat as declared."""
    costs, grey = ranked_costs(board, cheat.name, cheat.twin.__name__), greyed(board, cheat.name)
    assert costs
    assert set(cheat.greyed) <= set(grey), grey
    won = {column: pair for column, pair in costs.items() if column not in grey and is_better(column, *pair)}
    won = {column: (cost, than) for column, (cost, than) in won.items() if cost < than - cheat.near.get(column, 0.0)}
    assert set(won) <= set(cheat.wins), won
    assert won or not cheat.wins, costs
    for column, words in cheat.wins.items():
        assert words in all_cards()[column.split()[0]].failure
    for column in cheat.same:
        assert not is_better(column, *costs[column][::-1], share=SAME), costs[column]


def report(board: Board, cheats: Sequence[Cheat]) -> str:
    """Return a table of all costs of cheats and twins, to look at while a cheat is written."""
    lines = []
    for one in cheats:
        grey = greyed(board, one.name)
        for column, (cost, than) in ranked_costs(board, one.name, one.twin.__name__).items():
            end = grey.get(column) or "wins" * is_better(column, cost, than)
            lines.append(f"{one.name:28} {column:34} {cost:10.5f} {than:10.5f} {end}")
    return "\n".join(lines)
