"""Generate the shipped splits: ``python -m splits.generate`` writes them, ``python -m splits.generate --check`` compares them.

The splits of TACO need its official lists, the folder data_lists/ of leolyliu/TACO-Instructions; without the lists they are skipped.  Only the newest
version of a split is generated; earlier ones are kept as they were released.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hoibench.datasets.split_files import SPLITS_FOLDER, Release, SplitLine, format_lines
from hoibench.store import write_bytes
from splits import synthetic, synthetic_reach, taco

_LOG = logging.getLogger(__name__)
_MANIFEST = "manifest.json"

Folder = dict[str, bytes]
"""The folder of one version of a split: file name -> content."""


def build_folder(
    parts: Mapping[str, tuple[SplitLine, ...]], fields: Mapping[str, Any], separators: tuple[str, str] = (",", ":")
) -> Folder:
    """Return the files of a split's folder: a JSONL file per part, and manifest.json.

    Args:
        parts: part -> its clips.
        fields: fields of the manifest (see ``Release``), except ``files``.
        separators: those of ``json.dumps`` in the JSONL files.
    """
    folder = {f"{part}.jsonl": format_lines(lines, separators) for part, lines in parts.items()}
    hashes = {part: hashlib.sha256(folder[f"{part}.jsonl"]).hexdigest() for part in parts}
    return {**folder, _MANIFEST: Release(**fields, files=hashes).to_bytes()}


def synthetic_folders() -> dict[str, Folder]:
    """Generate the splits of synthetic clips: split name -> files of its folder."""
    clips: dict[str, Callable[[], dict[str, tuple[SplitLine, ...]]]] = {
        synthetic.NAME: synthetic.parts,
        synthetic.WIDE_NAME: synthetic.wide_parts,
        synthetic_reach.NAME: synthetic_reach.parts,
    }
    reach = {"aliases": {}, "recipe": synthetic_reach.RECIPE}
    return {
        name: build_folder(
            parts(),
            {
                "generator": f"{parts.__module__}.{parts.__name__}",
                "seed": synthetic.SEED,
                "aliases": synthetic.ALIASES,
                **(reach if name == synthetic_reach.NAME else {}),
            },
            (", ", ": "),  # the released separators
        )
        for name, parts in clips.items()
    }


def taco_folders(lists: Path) -> dict[str, Folder]:
    """Generate the splits of TACO from its official lists in the folder ``lists``: split name -> files; raises the errors of ``read_lists``."""
    return {name: build_folder(parts, fields) for name, (parts, fields) in taco.releases(lists).items()}


def is_same(path: Path, content: bytes) -> bool:
    """Return True if the file ``path`` has the given content."""
    return path.is_file() and path.read_bytes() == content


def main(arguments: list[str] | None = None) -> int:
    """Generate the splits and write them, or with ``--check`` compare them with the shipped ones; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m splits.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a shipped file differs")
    parser.add_argument("--lists", type=Path, help="TACO's data_lists; default: $HOIBENCH_FIELD_DATA/taco if it exists")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folders = synthetic_folders()
    lists = options.lists or _default_lists()
    if lists is None:
        _LOG.info("Skipped the splits of TACO: give --lists, the folder of its official lists")
    else:
        try:
            folders |= taco_folders(lists)
        except (FileNotFoundError, ValueError) as error:
            parser.error(str(error))
    return check_folders(folders) if options.check else write_folders(folders)


def check_folders(folders: Mapping[str, Folder]) -> int:
    """Log for each generated file whether the shipped one is the same; return 1 if a file differs, else 0."""
    different = 0
    for name, folder in folders.items():
        for file, content in folder.items():
            same = is_same(SPLITS_FOLDER / name / file, content)
            different += not same
            _LOG.info("%s %s/%s", "same     " if same else "DIFFERENT", name, file)
    return int(different > 0)


def write_folders(folders: Mapping[str, Folder]) -> int:
    """Write the generated files that differ from the shipped ones; return the exit code 0."""
    for name, folder in folders.items():
        for file, content in folder.items():
            if not is_same(SPLITS_FOLDER / name / file, content):
                write_bytes(SPLITS_FOLDER / name / file, content)
                _LOG.info("wrote %s/%s", name, file)
    return 0


def _default_lists() -> Path | None:
    data = os.environ.get("HOIBENCH_FIELD_DATA")
    folder = Path(data) / "taco" if data else None
    return folder if folder is not None and folder.is_dir() else None


if __name__ == "__main__":
    raise SystemExit(main())
