"""What is not of the download itself: MANO's files, a mirror's own verdicts, the cache."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hoibench.datasets.taco.doctor.download import Download
from hoibench.datasets.taco.doctor.report import Check, Findings
from hoibench.datasets.taco.hand_models import choose_hand_model, truth_label
from hoibench.datasets.taco.layout import INFO_FILE, read_hand_model

_LEAST_FREE = 1 << 30


def check_surroundings(download: Download) -> Iterator[Check]:
    """The checks of this module."""
    yield _hand_model(download)
    yield _verdicts(download)
    yield _cache(download)


def _hand_model(download: Download) -> Check:
    wanted = read_hand_model(download.root)
    try:
        truth = truth_label(wanted, choose_hand_model(wanted, download.mano))
    except (ValueError, OSError) as error:
        fix = "give the folder of MANO_LEFT and MANO_RIGHT: --mano DIR, or HOIBENCH_MANO"
        return Check("mano", "the hand model cannot be used", "problem", 1, (str(error),), fix)
    if truth != "proxy-hand":
        return Check("mano", f"hands take the model {wanted}, truth is {truth!r}", "ok", 1)
    title = "no MANO files are given: truth will be 'proxy-hand', and rows are never ranked"
    fix = "download MANO from mano.is.tue.mpg.de and give its folder: --mano DIR, or HOIBENCH_MANO"
    return Check("mano", title, "warning", 1, fix=fix)


def _verdicts(download: Download) -> Check:
    path = download.root / INFO_FILE
    found = Findings()
    looked_at = 0
    if path.is_file():
        with found.catch(path), path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                looked_at += 1
                key = (row.get("sequence_id") or "").rpartition("/")[2]
                status, cameras = row.get("calib_status") or "good", row.get("calib_bad_cams") or ""
                if key in download.wanted and (status != "good" or cameras):
                    found.add(f"{key}: calib_status {status}" + (f", bad cameras {cameras}" if cameras else ""))
    return found.check(
        "verdicts",
        f"{INFO_FILE} calls sequences bad",
        f"{INFO_FILE} calls all sequences good",
        "look at them before you trust their rows; nothing is left out for it",
        looked_at=looked_at,
        status="warning",
    )


def _cache(download: Download) -> Check:
    there = download.cache
    while not there.is_dir() and there != there.parent:
        there = there.parent
    fix = "free space there, or set HOIBENCH_CACHE to a folder that can be written"
    if not _writable(there):
        return Check("cache", f"{download.cache} cannot be written", "problem", 1, fix=fix)
    free = shutil.disk_usage(there).free
    title = f"{download.cache} can be written, {free / 1e9:.1f} GB are free"
    return Check("cache", title, "ok" if free >= _LEAST_FREE else "warning", 1, fix="" if free >= _LEAST_FREE else fix)


def _writable(folder: Path) -> bool:
    # Asked by doing it: permissions do not tell of a file system mounted read-only.
    if not os.access(folder, os.W_OK):
        return False
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
