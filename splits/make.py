"""Make the shipped splits again: ``python -m splits.make`` writes them, ``python -m splits.make --check`` compares instead.

TACO's need its official lists, data_lists/ of leolyliu/TACO-Instructions; without them they are left as they are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hoibench.datasets.split_files import SPLITS_FOLDER, Release, SplitLine, format_lines
from hoibench.store import write_bytes
from splits import synthetic

_LOG = logging.getLogger(__name__)
_MANIFEST = "manifest.json"

Folder = dict[str, bytes]
"""File name -> content of one split's folder."""


def pack(
    parts: Mapping[str, tuple[SplitLine, ...]], how: Mapping[str, Any], separators: tuple[str, str] = (",", ":")
) -> Folder:
    """The folder of a split; ``how`` it was made are the fields of its ``Release`` but the files' hashes."""
    folder = {f"{part}.jsonl": format_lines(lines, separators) for part, lines in parts.items()}
    hashes = {part: hashlib.sha256(folder[f"{part}.jsonl"]).hexdigest() for part in parts}
    return {**folder, _MANIFEST: Release(**how, files=hashes).to_bytes()}


def synthetic_folders() -> dict[str, Folder]:
    """Split name -> its folder, of the synthetic splits."""
    made = {synthetic.NAME: synthetic.parts, synthetic.WIDE_NAME: synthetic.wide_parts}
    return {
        name: pack(
            parts(),
            {
                "generator": f"{synthetic.__name__}.{parts.__name__}",
                "seed": synthetic.SEED,
                "aliases": synthetic.ALIASES,
            },
            (", ", ": "),  # as they were released
        )
        for name, parts in made.items()
    }


def taco_folders(lists: Path) -> dict[str, Folder]:
    """Split name -> its folder, of TACO's splits; errors as ``read_lists``."""
    from splits import taco  # imports scikit-learn, which nothing else needs

    return {name: pack(parts, how) for name, (parts, how) in taco.releases(lists).items()}


def is_same(path: Path, content: bytes) -> bool:
    """Whether a file holds ``content``; of a manifest, the packages' versions may be others, since what was made with them is compared too."""
    if not path.is_file():
        return False
    shipped = path.read_bytes()
    if path.name != _MANIFEST:
        return shipped == content
    try:
        versions = Release.read(path).made_with
    except ValueError:
        return False
    how = json.loads(content) | {"made_with": versions}
    del how["schema"]
    return shipped == Release(**how).to_bytes()


def main(arguments: list[str] | None = None) -> int:
    """Write the splits, or with ``--check`` say which files differ; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m splits.make", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a shipped file differs")
    parser.add_argument(
        "--lists", type=Path, help="TACO's data_lists; default: $HOIBENCH_FIELD_DATA/taco if it is there"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folders = synthetic_folders()
    lists = options.lists or _default_lists()
    if lists is None:
        _LOG.info("TACO's splits are left as they are: give --lists, the folder of its official lists")
    else:
        try:
            folders |= taco_folders(lists)
        except (FileNotFoundError, ValueError) as error:
            parser.error(str(error))
    return check(folders) if options.check else write(folders)


def check(folders: Mapping[str, Folder]) -> int:
    """Say of each file whether the shipped one is the same; returns 1 where one is not."""
    different = 0
    for name, folder in folders.items():
        for file, content in folder.items():
            same = is_same(SPLITS_FOLDER / name / file, content)
            different += not same
            _LOG.info("%s %s/%s", "same     " if same else "DIFFERENT", name, file)
    return int(different > 0)


def write(folders: Mapping[str, Folder]) -> int:
    """Write the files that differ from the shipped ones; returns 0."""
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
