"""Videos on the site: each view of a prediction is a sprite sheet, a WebP file named by its content and made once."""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from hoibench.predictions import SUFFIXES, is_complete, read_prediction_record
from hoibench.reference_rows import GROUND_TRUTH
from hoibench.results.board import Board
from hoibench.results.board_rows import BoardRow
from hoibench.store import atomic_write, remove_temporary_files, sha256_file, write_bytes
from hoibench.video import decode_crop, probe
from leaderboard.sheet import MARK_HEIGHT, MAX_FRAMES, draw_sheet, sheet_grid, tile_size
from leaderboard.text import error_text, sanitize

MEDIA_VERSION = 1
"""Version of the sheets' format; part of each file's name, so that an older sheet is never taken for a new one."""
QUALITY = 60
MEDIA_FILE = re.compile(r"^[0-9a-f]{20}-\d{1,4}\.(webp|mp4|mkv)$")
"""Names of the files that ``collect_media`` writes."""


@dataclass(frozen=True)
class PredictionMedia:
    """The videos of one prediction: a board's row (method) on a clip.

    Attributes:
        seed: the seed of the prediction; None if no seed has a complete one.
        frames: number of frames of each sheet.
        fps: frames per second of the videos.
        tile: (h, w) of a frame in a sheet, in pixels, without the mark below it.
        grid: number of frames side by side in a sheet.
        sheets: paths of the views' sheets, relative to the site's folder.
        videos: links to the views' full-size videos, relative to the site's folder; empty without.
        problem: a sentence that says why there are no sheets, or None.
    """

    seed: int | None = None
    frames: int = 0
    fps: float = 0.0
    tile: tuple[int, int] = (0, 0)
    grid: int = 0
    sheets: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    problem: str | None = None


def collect_media(
    board: Board,
    clips: Collection[int],
    out: Path,
    copy_videos: bool = False,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[tuple[int, int], PredictionMedia]:
    """Make the sheets of the true videos and of all methods on some clips of a board, except those that exist already.

    Args:
        board: the board.
        clips: indices of the clips.
        out: the site's folder; files are written to its folder media/.
        copy_videos: True to copy the full-size videos to media/ as well.  Otherwise they are linked if the site is inside the run's folder.
        on_progress: called with the numbers of finished and of all predictions.

    Returns:
        The media by (row index, clip index); a missing or damaged prediction has a ``problem``.

    Raises:
        OSError: a file cannot be written, e.g. because the disk is full.
    """
    places = [(m, c) for m, row in enumerate(board.rows) if has_media(row) for c in sorted(clips)]
    making: dict[str, Future[None]] = {}
    media = {}
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="media") as pool:
        try:
            for m, c in places:
                media[m, c] = _find_media(board, m, c, out, copy_videos, pool, making)
            for n, place in enumerate(places, start=1):
                errors = (_error(making[name]) for name in media[place].sheets if name in making)
                if error := next(filter(None, errors), None):
                    problem = _as_problem(board.rows[place[0]], error)
                    media[place] = PredictionMedia(seed=media[place].seed, problem=problem)
                if on_progress is not None:
                    on_progress(n, len(places))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # a full disk or Ctrl-C does not wait for the sheets that are not begun
            raise
    return media


def has_media(row: BoardRow) -> bool:
    """Return True for the rows whose videos the site shows: methods, and the truth."""
    return row.method.kind != "reference" or row.method.id == GROUND_TRUTH


def first_prediction(row: BoardRow, clip: str) -> tuple[int, Path] | tuple[None, None]:
    """Return (seed, folder) of the first complete prediction of a row on a clip, in the order of its seeds; (None, None) if there is none.

    A run cannot name folders outside of it.
    """
    root = (row.run.folder / "predictions").resolve()
    for seed in _seeds(row):
        folder = root / row.method.key / f"seed-{seed}" / clip
        if is_complete(folder) and folder.resolve().is_relative_to(root):
            return seed, folder
    return None, None


def remove_stale_files(folder: Path, names: re.Pattern[str], kept: Collection[str]) -> list[Path]:
    """Remove the files of a folder that have one of our ``names`` but are not ``kept``, left by an earlier build; return their paths.

    Temporary files of killed builds are removed, too.
    """
    remove_temporary_files(folder)
    found = [path for path in sorted(folder.glob("*")) if names.match(path.name) and not path.is_dir()]
    stale = [path for path in found if path.name not in kept]
    for path in stale:
        path.unlink()
    return stale


def _find_media(
    board: Board,
    m: int,
    c: int,
    out: Path,
    copy_videos: bool,
    pool: ThreadPoolExecutor,
    making: dict[str, Future[None]],
) -> PredictionMedia:
    """Return the media of one prediction, and start to make its missing files."""
    row, clip = board.rows[m], board.clips[c]
    seed, folder = first_prediction(row, clip.id)
    if folder is None:
        return PredictionMedia(problem=_missing(row, clip.id))
    try:
        videos = _video_files(folder)
        if not videos:
            return PredictionMedia(seed=seed, problem="no video: the method predicts motion alone")
        infos = [probe(path) for path in videos]
        sizes = {(info.frames, info.height, info.width) for info in infos}
        if len(sizes) > 1:
            return PredictionMedia(seed=seed, problem="no video: its views differ in length or size")
        found, height, width = sizes.pop()
        frames = min(found, clip.valid_frames or found, MAX_FRAMES)
        size = tile_size(height, width)
        sheets, links = [], []
        for view, path in enumerate(videos):
            checksum = sha256_file(path)
            sheet = out / "media" / f"{_digest(checksum, view, frames)}-{view}.webp"
            sheets.append(f"media/{sheet.name}")
            if sheets[-1] not in making and not sheet.is_file():
                made_before = row.run.folder / "leaderboard" / "media" / sheet.name
                making[sheets[-1]] = pool.submit(
                    _make_sheet, path, view, range(frames), (height, width), sheet, made_before
                )
            if copy_videos:
                copy = out / "media" / f"{_digest(checksum, view)}-{view}{path.suffix}"
                links.append(f"media/{copy.name}")
                if not copy.is_file():
                    with atomic_write(copy) as temporary:
                        shutil.copyfile(path, temporary)
            elif out.resolve().is_relative_to(row.run.folder.resolve()):
                links.append(quote(Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()))
    except (FileNotFoundError, ValueError) as error:  # VideoError is a ValueError
        return PredictionMedia(seed=seed, problem=_as_problem(row, error))
    return PredictionMedia(seed, frames, infos[0].fps, size, sheet_grid(frames), tuple(sheets), tuple(links))


def _video_files(folder: Path) -> list[Path]:
    names = [name for name in read_prediction_record(folder).files if name.endswith(SUFFIXES)]
    paths = [folder / name for name in sorted(names, key=lambda name: (len(name), name))]
    for path in paths:
        if path.resolve().parent != folder.resolve():
            raise ValueError(f"{path} is a link to another folder: copy the file")
    return paths


def _seeds(row: BoardRow) -> Iterable[int]:
    return row.method.seeds or row.run.record.seeds


def _missing(row: BoardRow, clip: str) -> str:
    """Return why a row has no complete prediction on a clip: the recorded failure, if there is one."""
    units = {f"{row.method.key}/seed-{seed}/{clip}" for seed in _seeds(row)}
    for failure in row.run.record.exit.failures:
        if failure.unit in units:
            return f"no video: failed in stage {sanitize(failure.stage, 30)}: {sanitize(failure.reason, 200)}"
    return f"no video: {sanitize(row.run.record.name, 60)} has no complete prediction of this clip"


def _digest(checksum: str, *facts: int) -> str:
    return hashlib.sha256(repr((checksum, MEDIA_VERSION, *facts)).encode()).hexdigest()[:20]


def _make_sheet(path: Path, view: int, frames: range, size: tuple[int, int], sheet: Path, made_before: Path) -> None:
    """Write the sheet of a video; a copy of an earlier one, if the run's own page has it."""
    tile = tile_size(*size)
    grid = sheet_grid(len(frames))
    expected = grid * tile[1], math.ceil(len(frames) / grid) * (tile[0] + MARK_HEIGHT)
    if _image_size(made_before) == expected:
        write_bytes(sheet, made_before.read_bytes())
        return
    image = Image.fromarray(draw_sheet(decode_crop(path, frames, (0, 0, *size), tile), view))
    data = io.BytesIO()
    image.save(data, "WEBP", quality=QUALITY, method=4)
    write_bytes(sheet, data.getvalue())


def _image_size(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, Image.DecompressionBombError):
        return None


def _error(made: Future[None]) -> Exception | None:
    """Wait for a sheet, and return the error of its video, or None."""
    try:
        made.result()
    except (FileNotFoundError, ValueError) as error:
        return error
    return None


def _as_problem(row: BoardRow, error: Exception) -> str:
    return f"no video: {error_text(error, row.run.folder)}"
