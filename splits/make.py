"""Make the shipped splits again: ``python -m splits.make`` writes them, ``python -m splits.make --check`` compares instead."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from pathlib import Path

from hoibench.datasets.manifests import SCHEMA, Line, format_lines
from splits import synthetic

_LOG = logging.getLogger(__name__)
_HERE = Path(__file__).parent


def release(parts: dict[str, tuple[Line, ...]], aliases: dict[str, str], generator: str, seed: int) -> dict[str, bytes]:
    """File name -> content of one split's folder."""
    folder = {f"{part}.jsonl": format_lines(lines) for part, lines in parts.items()}
    manifest = {
        "schema": SCHEMA,
        "generator": generator,
        "seed": seed,
        "aliases": aliases,
        "files": {part: hashlib.sha256(folder[f"{part}.jsonl"]).hexdigest() for part in parts},
    }
    return {**folder, "manifest.json": (json.dumps(manifest, indent=1) + "\n").encode()}


def releases() -> dict[str, dict[str, bytes]]:
    """Split name -> its folder, of every split made here."""
    made = {synthetic.NAME: synthetic.parts, synthetic.WIDE_NAME: synthetic.wide_parts}
    return {
        name: release(parts(), synthetic.ALIASES, f"{synthetic.__name__}.{parts.__name__}", synthetic.SEED)
        for name, parts in made.items()
    }


def main() -> int:
    """Write the splits, or with ``--check`` say which files differ; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m splits.make", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a shipped file differs")
    check = parser.parse_args().check
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    different = 0
    for name, folder in releases().items():
        for file, content in folder.items():
            path = _HERE / name / file
            same = path.is_file() and path.read_bytes() == content
            different += not same
            if check:
                _LOG.info("%s %s/%s", "same     " if same else "DIFFERENT", name, file)
            elif not same:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
                _LOG.info("wrote %s/%s", name, file)
    return int(check and different > 0)


if __name__ == "__main__":
    raise SystemExit(main())
