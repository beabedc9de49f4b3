"""Command lines of all commands: types, lists, groups, and errors of one line."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hoibench.arguments import parse, split_at_commas


@dataclass
class Options:
    """Do a thing."""

    name: tuple[str, ...] = field(default=(), metadata={"group": "what to do"})
    """Names."""

    whole: tuple[str, ...] = field(default=(), metadata={"whole": True})
    """Values with commas."""

    number: tuple[int, ...] = ()
    """Numbers."""

    joined: str = field(default="a,b", metadata={"joined": True})
    """A list as a text."""

    limit: int | None = None
    """A limit."""

    root: Path | None = None
    """A folder."""

    size: tuple[int, int] | None = field(default=None, metadata={"metavar": "H,W"})
    """A height and a width."""

    keep: bool = True
    """Keep."""


def test_lists_are_given_by_commas_or_by_repeating(tmp_path):
    folder = tmp_path / "a,b"
    folder.mkdir()
    words = [
        "--name",
        "x,y",
        "--name=z",
        "--name",
        f"d={folder}",
        "--number",
        "1,2",
        "--whole",
        "k=1,2",
        "--joined",
        "p",
        "--joined",
        "q,r",
    ]
    found = parse(Options, words, "do")
    assert found.name == ("x", "y", "z", f"d={folder}")
    assert (found.number, found.whole, found.joined) == ((1, 2), ("k=1,2",), "p,q,r")
    assert parse(Options, [], "do") == Options()
    assert parse(Options, ["--limit", "3", "--root", "r", "--no-keep", "--size", "64,96"], "do") == Options(
        limit=3, root=Path("r"), size=(64, 96), keep=False
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--limit", "x"], "--limit is 'x', expected a whole number"),
        (["--number", "1,x"], "--number is 'x', expected a whole number"),
        (["--limti", "3"], "unknown option --limti: did you mean --limit?"),
        (["--no-keeep"], "unknown option --no-keeep: did you mean --no-keep?"),
        (["--limit"], "--limit lacks its value: write --limit N"),
        (["--limit", "--keep"], "--limit lacks its value: write --limit N"),
        (["--root", ""], "--root is empty (an unset variable?): give a value"),
        (["--root="], "--root is empty (an unset variable?): give a value"),
        (["--size", "64"], "--size has 1 value, expected 2: write --size H,W"),
        (["--size", "64", "96"], "unknown argument 96: write --size 64,96"),
        (["surplus"], "unknown argument surplus: see do --help"),
    ],
)
def test_errors_are_one_line_with_the_option_the_value_and_the_fix(words, message, capsys):
    with pytest.raises(ValueError) as error:
        parse(Options, words, "do")
    assert str(error.value) == message
    assert capsys.readouterr() == ("", "")


def test_a_list_that_is_longer_than_a_file_name_is_a_list():
    assert split_at_commas(",".join(["rpe@2"] * 100)) == ["rpe@2"] * 100
