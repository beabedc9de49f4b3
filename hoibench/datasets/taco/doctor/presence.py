"""Checks of missing files: folders, zips not unpacked, unexpected names, and files that a split needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.listing import Modality, modalities
from hoibench.datasets.taco.doctor.report import Check, CheckStatus, Findings
from hoibench.datasets.taco.download import CAMERAS, HANDS, MODELS, POSES, download_hint, modality_folders
from hoibench.datasets.taco.protocol import FPS, FRAMES, MODALITIES, SOURCE_FPS, Recipe, choose_window
from hoibench.datasets.taco.rig import rig
from hoibench.problems import Problem
from hoibench.text import count


def check_presence(context: DiagnosticContext) -> Iterator[Check]:
    """Yield the checks of missing files, from names of folders and files and from headers of pose files."""
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
            found.add(path, "is not unpacked")
            needed |= _is_needed(context, path)
    return found.to_check(
        "zips",
        "zips are not unpacked",
        "all zips are unpacked",
        f"unpack them in {context.root}, so that their top folders are there",
        checked=len(context.listing.zips),
        status="problem" if needed else "warning",
    )


def _is_packed(context: DiagnosticContext, path: Path) -> bool:
    """Return True if a zip is one of TACO's and the download has none of its contents."""
    if path.stem in modalities():
        return not context.listing.keys[path.stem]
    if path.stem in MODELS:
        return not any((context.root / folder).is_dir() for folder in MODELS)
    cameras = context.listing.cameras
    return path.stem in rig().cameras and not any(path.stem in cameras[kind] for kind in _video_folders(context, path))


def _is_needed(context: DiagnosticContext, path: Path) -> bool:
    """Return True if the split's clips need one of TACO's zips."""
    names = _video_folders(context, path) if path.stem in rig().cameras else [path.stem]
    return path.stem in MODELS or any(name in _needed(context) for name in names)


def _video_folders(context: DiagnosticContext, path: Path) -> list[str]:
    """Return the names of the video folders that a camera's zip may belong to: the folder that it is in, or else both."""
    cameras = context.listing.cameras
    return [path.parent.name] if path.parent.name in cameras else list(cameras)


def _needed(context: DiagnosticContext) -> dict[str, Modality]:
    """Return name -> modality (kind of data) of the top folders that the split's clips need."""
    users = {"all", *context.video_kinds}
    return {name: modality for name, modality in modalities().items() if modality.needed_by in users}


def _modalities(context: DiagnosticContext) -> Check:
    found = Findings()
    needed, cameras = _needed(context), context.listing.cameras
    for name, modality in needed.items():
        if not modality_folders(context.root, name):
            found.add(
                context.root / name, f"is missing ({modality.description})", fix=download_hint(context.root, name)
            )
        elif not context.listing.keys[name]:
            found.add(context.root / name, "has no (action, tool, target)/YYYYMMDD_NNN", fix="unpack its zip again")
        elif name in cameras and not cameras[name]:
            found.add(context.root / name, "has no SERIAL.mp4 of any camera", fix="unpack its zips again")
    if not any((context.root / folder).is_dir() for folder in MODELS):
        fix = download_hint(context.root, MODELS[0])
        found.add(context.root / MODELS[0], "is missing (meshes of the objects)", fix=fix)
    return found.to_check(
        "folders",
        "required folders are missing",
        "all required folders exist",
        f"download and unpack them in {context.root}; videos are one zip per camera, and some cameras are enough",
        checked=len(needed) + 1,
    )


def _sequences(context: DiagnosticContext) -> Check:
    found = Findings()
    listing = context.listing
    with_video = frozenset[str]().union(*(keys for cameras in listing.cameras.values() for keys in cameras.values()))
    has = {name: listing.keys[name] for name, modality in modalities().items() if modality.needed_by == "all"}
    for name, keys in {**has, "any folder of videos": with_video}.items():
        missing_counts = sorted(listing.sequences.keys() - keys)
        if missing_counts and keys:  # a missing folder is reported by the check of folders
            total = len(listing.sequences)
            lack = f"lacks {len(missing_counts)} of {count(total, 'sequence')}, the first is {missing_counts[0]}"
            found.add(name, lack, times=len(missing_counts))
    return found.to_check(
        "sequences",
        "sequences are incomplete",
        "every sequence has poses, hands, calibration and videos",
        "unpack the zip again; a clip needs all four",
        checked=len(listing.sequences),
        status="warning",
    )


def _names(context: DiagnosticContext) -> Check:
    found = Findings()
    for path in context.listing.strays:
        found.add(path, "has an unexpected name and is ignored")
    for key in context.listing.duplicates:
        found.add(f"sequence {key}", "is in folders of several triplets")
    for name in modalities():
        tops = modality_folders(context.root, name)
        if len(tops) > 1 and any(tops[0].glob("(*)")):
            found.add(name, f"was unpacked twice, to {tops[0]} and {tops[1]}; the first is used")
    return found.to_check(
        "names",
        "folder names are unexpected",
        "all folders have TACO's names",
        "move each sequence to FOLDER/(action, tool, target)/YYYYMMDD_NNN once",
        checked=len(context.listing.sequences),
        status="warning",
    )


def _clips(context: DiagnosticContext) -> Check:
    if not context.lines:
        return Check("split", "no split was given", "skipped")
    missing_counts: Counter[str] = Counter()
    missing_sources: Counter[str] = Counter()
    possible = 0
    for line in context.lines:
        missing = _missing(context, line)
        missing_counts.update(missing)
        possible += not missing
        missing_sources.update(_missing_source(context, line))
    total = len(context.lines)
    problems = [
        _missing_zip(context, name, clips, missing_sources.pop(name, 0)) for name, clips in missing_counts.most_common()
    ]
    problems += [_missing_zip(context, name, 0, clips) for name, clips in missing_sources.most_common()]
    title = f"{possible} of {count(total, 'clip')} of the split can be prepared"
    if not problems:
        return Check("split", title, "ok", total)
    # Partial downloads are normal; only one without any clip is a problem.
    status: CheckStatus = "warning" if possible else "problem"
    fix = "download the first of these zips first; a run lists the clips it leaves out"
    return Check("split", title, status, total - possible, tuple(problems), fix)


def _missing(context: DiagnosticContext, line: SplitLine) -> list[str]:
    """Return the names of the zips, e.g. ``Hand_Poses`` or FOLDER/SERIAL, with the files that a split's clip lacks."""
    key, keys = line.entry.id, context.listing.keys
    missing = [name for name in (POSES, HANDS, CAMERAS) if key not in keys[name]]
    return missing + [name for name in _videos(line, line.entry.camera_ids) if not _has(context, key, name)]


def _missing_source(context: DiagnosticContext, line: SplitLine) -> list[str]:
    sources = [line.source] if line.source is not None else []
    return [name for name in _videos(line, sources) if not _has(context, line.entry.id, name)]


def _videos(line: SplitLine, serials: Sequence[str]) -> list[str]:
    """Return the names, FOLDER/SERIAL, of the zips with a clip's videos by these cameras."""
    folder = MODALITIES[Recipe.parse(line.recipe).video]
    return [f"{folder}/{serial}" for serial in serials]


def _has(context: DiagnosticContext, key: str, zip_name: str) -> bool:
    folder, _, serial = zip_name.partition("/")
    return key in context.listing.cameras[folder].get(serial, ())


def _missing_zip(context: DiagnosticContext, zip_name: str, clips: int, sources: int) -> Problem:
    """Return the problem of a zip whose files are missing: ``clips`` clips need them, and ``sources`` clips need them as source view."""
    where = [f"in {clips} of {count(len(context.lines), 'clip')}"] if clips else []
    where += [f"as the source of video-to-video methods in {sources}"] if sources else []
    folder, _, serial = zip_name.partition("/")
    existing = context.listing.cameras[folder].get(serial) if serial else context.listing.keys[folder]
    # If some of its sequences exist, the zip was downloaded but not completely unpacked.
    fix = f"unpack the rest of {zip_name}.zip" if existing else download_hint(context.root, zip_name)
    return Problem(f"{zip_name}.zip", "", f"is missing {', '.join(where)}", "", fix)


def _lengths(context: DiagnosticContext) -> Check:
    found = Findings()
    wanted = [key for key in sorted(context.wanted) if key in context.frame_counts]
    for key in wanted:
        rows = context.frame_counts[key]
        if choose_window(rows, SOURCE_FPS).valid < FRAMES:
            found.add(key, f"has {count(rows, 'frame')}")
    least = next(n for n in range(1, 10_000) if choose_window(n, SOURCE_FPS).valid == FRAMES)
    return found.to_check(
        "length",
        f"sequences are too short: a clip of {FRAMES} frames at {FPS:g} fps needs {least} at {SOURCE_FPS:g}",
        f"all sequences have the {least} frames that a clip needs",
        "nothing: they are left out, or included with --short pad",
        checked=len(wanted),
        status="warning",
    )
