"""Files that are there and files that are not: folders, zips that were never unpacked, odd names, and the files that the wanted clips lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.listing import Modality, modalities
from hoibench.datasets.taco.doctor.report import Check, Findings, Status
from hoibench.datasets.taco.download import CAMERAS, HANDS, MODELS, POSES, how_to_get, modality_folders
from hoibench.datasets.taco.protocol import FPS, FRAMES, MODALITIES, SOURCE_FPS, Recipe, window
from hoibench.datasets.taco.rig import rig
from hoibench.problems import Problem


def check_presence(context: DiagnosticContext) -> Iterator[Check]:
    """The checks of this module, from names and the heads of pose files."""
    yield _zips(context)
    yield _modalities(context)
    yield _sequences(context)
    yield _names(context)
    yield _clips(context)
    yield _lengths(context)


def _zips(context: DiagnosticContext) -> Check:
    found = Findings()
    needed = False
    for path in context.listing.zips:
        if _is_packed(context, path):
            found.add(path, "nothing of it is unpacked")
            needed |= _is_needed(context, path)
    return found.check(
        "zips",
        "zips lie there un-unpacked",
        "all zips that lie there are unpacked",
        f"unpack them in {context.root}, each so that its top folder stands there",
        looked_at=len(context.listing.zips),
        status="problem" if needed else "warning",
    )


def _is_packed(context: DiagnosticContext, path: Path) -> bool:
    """Whether a zip is one of TACO's of which nothing is unpacked."""
    if path.stem in modalities():
        return not context.listing.there[path.stem]
    if path.stem in MODELS:
        return not any((context.root / folder).is_dir() for folder in MODELS)
    cameras = context.listing.cameras
    return path.stem in rig().cameras and not any(path.stem in cameras[kind] for kind in _kinds(context, path))


def _is_needed(context: DiagnosticContext, path: Path) -> bool:
    """Whether clips cannot do without what is in one of TACO's zips."""
    names = _kinds(context, path) if path.stem in rig().cameras else [path.stem]
    return path.stem in MODELS or any(name in _needed(context) for name in names)


def _kinds(context: DiagnosticContext, path: Path) -> list[str]:
    """The folders of videos that a camera's zip may belong to: the one that it lies in, or all of them."""
    cameras = context.listing.cameras
    return [path.parent.name] if path.parent.name in cameras else list(cameras)


def _needed(context: DiagnosticContext) -> dict[str, Modality]:
    """The modalities that the wanted clips cannot do without."""
    users = {"all", *context.kinds}
    return {name: modality for name, modality in modalities().items() if modality.needed_by in users}


def _modalities(context: DiagnosticContext) -> Check:
    found = Findings()
    needed, cameras = _needed(context), context.listing.cameras
    for name, modality in needed.items():
        if not modality_folders(context.root, name):
            found.add(context.root / name, f"is missing ({modality.holds})", fix=how_to_get(context.root, name))
        elif not context.listing.there[name]:
            found.add(context.root / name, "holds no (action, tool, target)/YYYYMMDD_NNN", fix="unpack its zip again")
        elif name in cameras and not cameras[name]:
            found.add(context.root / name, "holds no SERIAL.mp4 of any camera", fix="unpack its zips again")
    if not any((context.root / folder).is_dir() for folder in MODELS):
        fix = how_to_get(context.root, MODELS[0])
        found.add(context.root / MODELS[0], "is missing (meshes of the objects)", fix=fix)
    return found.check(
        "folders",
        "folders are missing that clips need",
        "all folders that clips need are there",
        f"download and unpack them in {context.root}; videos come as one zip for each camera, and single cameras will do",
        looked_at=len(needed) + 1,
    )


def _sequences(context: DiagnosticContext) -> Check:
    found = Findings()
    listing = context.listing
    filmed = frozenset[str]().union(*(keys for cameras in listing.cameras.values() for keys in cameras.values()))
    has = {name: listing.there[name] for name, modality in modalities().items() if modality.needed_by == "all"}
    for name, keys in {**has, "any folder of videos": filmed}.items():
        lacking = sorted(listing.sequences.keys() - keys)
        if lacking and keys:  # a folder that is missing altogether is told by the check of folders
            total = len(listing.sequences)
            lack = f"lacks {len(lacking)} of {total} sequences, the first is {lacking[0]}"
            found.add(name, lack, times=len(lacking))
    return found.check(
        "sequences",
        "sequences are not whole",
        "every sequence has poses, hands, calibration and videos",
        "unpack the zip again, or what of it is still to come; a clip needs all four",
        looked_at=len(listing.sequences),
        status="warning",
    )


def _names(context: DiagnosticContext) -> Check:
    found = Findings()
    for path in context.listing.strays:
        found.add(path, "is named like no folder of TACO's and is passed over")
    for key in context.listing.twice:
        found.add(f"sequence {key}", "lies under more than one triplet")
    for name in modalities():
        tops = modality_folders(context.root, name)
        if len(tops) > 1 and any(tops[0].glob("(*)")):
            found.add(name, f"was unpacked twice, in {tops[0]} and in {tops[1]}: the first is read")
    return found.check(
        "names",
        "names are not TACO's",
        "all folders are named as TACO's are",
        "move each sequence to FOLDER/(action, tool, target)/YYYYMMDD_NNN once",
        looked_at=len(context.listing.sequences),
        status="warning",
    )


def _clips(context: DiagnosticContext) -> Check:
    if not context.lines:
        return Check("split", "no split was named", "skipped")
    lacking: Counter[str] = Counter()
    sourceless: Counter[str] = Counter()
    possible = 0
    for line in context.lines:
        missing = _missing(context, line)
        lacking.update(missing)
        possible += not missing
        sourceless.update(_missing_source(context, line))
    total = len(context.lines)
    problems = [_lack(context, name, clips, sourceless.pop(name, 0)) for name, clips in lacking.most_common()]
    problems += [_lack(context, name, 0, clips) for name, clips in sourceless.most_common()]
    title = f"{possible} of {total} clips of the split can be made"
    if not problems:
        return Check("split", title, "ok", total)
    # A partial download is how TACO is used; only one that gives nothing is broken.
    status: Status = "warning" if possible else "problem"
    fix = "fetch what most clips lack first; a run leaves out the others and says so"
    return Check("split", title, status, total - possible, tuple(problems), fix)


def _missing(context: DiagnosticContext, line: SplitLine) -> list[str]:
    """Names of the zips that a clip lacks something of."""
    key, there = line.entry.id, context.listing.there
    missing = [name for name in (POSES, HANDS, CAMERAS) if key not in there[name]]
    return missing + [name for name in _videos(line, line.entry.camera_ids) if not _has(context, key, name)]


def _missing_source(context: DiagnosticContext, line: SplitLine) -> list[str]:
    sources = [line.source] if line.source is not None else []
    return [name for name in _videos(line, sources) if not _has(context, line.entry.id, name)]


def _videos(line: SplitLine, serials: Sequence[str]) -> list[str]:
    """Names, FOLDER/SERIAL, of the zips that hold a clip's videos."""
    folder = MODALITIES[Recipe.parse(line.recipe).video]
    return [f"{folder}/{serial}" for serial in serials]


def _has(context: DiagnosticContext, key: str, zip_name: str) -> bool:
    folder, _, serial = zip_name.partition("/")
    return key in context.listing.cameras[folder].get(serial, ())


def _lack(context: DiagnosticContext, zip_name: str, clips: int, sources: int) -> Problem:
    """A zip that some clips lack something of, or some the video that video-to-video methods see."""
    where = [f"in {clips} of {len(context.lines)} clips"] if clips else []
    where += [f"as the source of video-to-video methods in {sources}"] if sources else []
    folder, _, serial = zip_name.partition("/")
    there = context.listing.cameras[folder].get(serial) if serial else context.listing.there[folder]
    # Where some sequences of it are there, it was fetched, and others are missing inside.
    fix = f"unpack the rest of {zip_name}.zip" if there else how_to_get(context.root, zip_name)
    return Problem(f"{zip_name}.zip", "", f"is lacking {', '.join(where)}", "", fix)


def _lengths(context: DiagnosticContext) -> Check:
    found = Findings()
    wanted = [key for key in sorted(context.wanted) if key in context.frames]
    for key in wanted:
        rows = context.frames[key]
        if window(rows, SOURCE_FPS).valid < FRAMES:
            found.add(key, f"has {rows} frames")
    least = next(n for n in range(1, 10_000) if window(n, SOURCE_FPS).valid == FRAMES)
    return found.check(
        "length",
        f"sequences are too short: a clip of {FRAMES} frames at {FPS:g} fps takes {least} at {SOURCE_FPS:g}",
        f"all sequences have the {least} frames that a clip takes",
        "nothing is wrong with them: they are left out, or taken with --short pad",
        looked_at=len(wanted),
        status="warning",
    )
