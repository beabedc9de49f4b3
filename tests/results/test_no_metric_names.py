"""Results and the page know no metric by name; ranking and display use its card."""

import re
from pathlib import Path

import pytest

from hoibench.metric_card import all_cards

ROOT = Path(__file__).parents[2]
WORDS = ("scale",)
"""Names that are also English words: forbidden only with a version."""
FILES = sorted(
    path
    for folder in ("hoibench/results", "leaderboard")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".html", ".js", ".css") and "__pycache__" not in path.parts
)


def metric_names(text):
    """Metric ids in a text, their parts, and prefixes of them such as ``mv_``."""
    parts = {part for id in all_cards() for part in re.split(r"[/@-]", id) if not part.isdigit()}
    tokens = set(re.findall(r"\w+", text))
    prefixes = {token for token in tokens if token.endswith("_") and any(part.startswith(token) for part in parts)}
    versioned = {word for word in WORDS if f"{word}@" in text}
    return sorted((tokens & parts - set(WORDS)) | prefixes | versioned)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_metric_is_named(path):
    assert metric_names(path.read_text()) == []


def test_the_files_are_found():
    assert {path.suffix for path in FILES} == {".py", ".html", ".js", ".css"} and len(FILES) > 20


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('if metric.id == "rpe@1":', ["rpe"]),
        ('stem.startswith("xv_")', ["xv_"]),
        ("<td>dynamic_degree</td>", ["dynamic_degree"]),
        ('x = "/aliked-mnn@" in name', ["aliked", "mnn"]),
        ("names = ['scale@1']", ["scale"]),
        ("scale = fit_scale(cells)", []),
    ],
)
def test_a_name_is_found(text, found):
    assert metric_names(text) == found
