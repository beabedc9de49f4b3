"""What a split needs of a download and does not find: clip by clip, but told by what to fetch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from hoibench.datasets.manifests import Line
from hoibench.datasets.taco.doctor.examination import Examination
from hoibench.datasets.taco.doctor.report import Check, Findings, Status
from hoibench.datasets.taco.layout import CAMERAS, HANDS, POSES, how_to_get
from hoibench.datasets.taco.protocol import FPS, FRAMES, MODALITIES, SOURCE_FPS, Recipe, window


def check_needs(examination: Examination) -> Iterator[Check]:
    """The checks of this module, from names and the heads of pose files."""
    yield _clips(examination)
    yield _lengths(examination)


def _clips(examination: Examination) -> Check:
    if not examination.lines:
        return Check("split", "no split was named", "skipped")
    lacking: Counter[str] = Counter()
    sourceless: Counter[str] = Counter()
    possible = 0
    for line in examination.lines:
        missing = _missing(examination, line)
        lacking.update(missing)
        possible += not missing
        sourceless.update(_missing_source(examination, line))
    total = len(examination.lines)
    examples = [_lack(examination, name, clips, sourceless.pop(name, 0)) for name, clips in lacking.most_common()]
    examples += [_lack(examination, name, 0, clips) for name, clips in sourceless.most_common()]
    title = f"{possible} of {total} clips of the split can be made"
    if not examples:
        return Check("split", title, "ok", total)
    # A partial download is how TACO is used; only one that gives nothing is broken.
    status: Status = "warning" if possible else "problem"
    fix = "fetch what most clips lack first; a run leaves out the others and says so"
    return Check("split", title, status, total - possible, tuple(examples), fix)


def _missing(examination: Examination, line: Line) -> list[str]:
    """Names of the zips that a clip lacks something of."""
    key, there = line.entry.id, examination.listing.there
    missing = [name for name in (POSES, HANDS, CAMERAS) if key not in there[name]]
    return missing + [name for name in _videos(line, line.entry.serials) if not _has(examination, key, name)]


def _missing_source(examination: Examination, line: Line) -> list[str]:
    sources = [line.source] if line.source is not None else []
    return [name for name in _videos(line, sources) if not _has(examination, line.entry.id, name)]


def _videos(line: Line, serials: Sequence[str]) -> list[str]:
    """Names, FOLDER/SERIAL, of the zips that hold a clip's videos."""
    folder = MODALITIES[Recipe.parse(line.recipe).video]
    return [f"{folder}/{serial}" for serial in serials]


def _has(examination: Examination, key: str, zip_name: str) -> bool:
    folder, _, serial = zip_name.partition("/")
    return key in examination.listing.cameras[folder].get(serial, ())


def _lack(examination: Examination, zip_name: str, clips: int, sources: int) -> str:
    """How many clips lack something of a zip, how many the video that video-to-video methods see, and what to do."""
    where = [f"in {clips} of {len(examination.lines)} clips"] if clips else []
    where += [f"as the source of video-to-video methods in {sources}"] if sources else []
    folder, _, serial = zip_name.partition("/")
    there = examination.listing.cameras[folder].get(serial) if serial else examination.listing.there[folder]
    # Where some sequences of it are there, it was fetched, and others are missing inside.
    fix = f"unpack the rest of {zip_name}.zip" if there else how_to_get(examination.root, zip_name)
    return f"{zip_name} is lacking {', '.join(where)}: {fix}"


def _lengths(examination: Examination) -> Check:
    found = Findings()
    wanted = [key for key in sorted(examination.wanted) if key in examination.frames]
    for key in wanted:
        rows = examination.frames[key]
        if window(rows, SOURCE_FPS).valid < FRAMES:
            found.add(f"{key} has {rows} frames")
    least = next(n for n in range(1, 10_000) if window(n, SOURCE_FPS).valid == FRAMES)
    return found.check(
        "length",
        f"sequences are too short: a clip of {FRAMES} frames at {FPS:g} fps takes {least} at {SOURCE_FPS:g}",
        f"all sequences have the {least} frames that a clip takes",
        "nothing is wrong with them: they are left out, or taken with --short pad",
        looked_at=len(wanted),
        status="warning",
    )
