"""The documentation names files that exist, and the picture of the architecture shows the layers that are checked."""

import configparser
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGE_PATH = re.compile(r"`((?:hoibench|baselines|reference_model|leaderboard|splits|tests)/[\w./-]*)`")
SVG = "{http://www.w3.org/2000/svg}"
OUTPUTS = ("leaderboard/index.html",)
"""Files of a run folder whose paths look like those of a package."""
LINK = re.compile(r"\]\(([^)#:]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_and_links_exist(page):
    text = page.read_text(encoding="utf-8")
    paths = [ROOT / path for path in PACKAGE_PATH.findall(text) if path not in OUTPUTS] + [
        page.parent / link for link in LINK.findall(text)
    ]
    assert not [str(path) for path in paths if not path.exists()]


def test_picture_shows_the_layers_of_the_import_contract():
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    layers = contracts["importlinter:contract:layers"]["layers"].strip().split("\n")
    picture = ElementTree.parse(ROOT / "docs" / "pictures" / "architecture.svg")
    heights = {name: float(text.get("y")) for text in picture.iter(f"{SVG}text") for name in text.text.split(", ")}
    rows = [[heights[name.removeprefix("hoibench.")] for name in layer.split(" | ")] for layer in layers]
    assert all(max(above) <= min(below) for above, below in pairwise(rows))
