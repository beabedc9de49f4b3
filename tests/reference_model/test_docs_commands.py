"""The commands that the documentation gives are taken by the commands' own parsers, and its launch configuration is one."""

import re
import shlex
from pathlib import Path

import pytest
import tyro

from hoibench.cli.run import parse_arguments
from reference_model.config import preset
from reference_model.info import InfoOptions
from reference_model.prepare import PrepareOptions
from reference_model.sample import SampleOptions
from reference_model.train import TrainOptions
from reference_model.training.config import launch_file, read_launch

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OPTIONS = {
    "reference_model.info": InfoOptions,
    "reference_model.prepare": PrepareOptions,
    "reference_model.train": TrainOptions,
    "reference_model.sample": SampleOptions,
}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(python -m [^`\n]+)`")
SYNOPSIS = " ["
"""Marks lines that list options in brackets; they are not commands."""


def fences(page, language):
    return [body for found, body in FENCED.findall(page.read_text(encoding="utf-8")) if found == language]


def commands(page):
    """Yield (module, arguments) of each command on a page."""
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    lines = [line for body in fences(page, "sh") for line in body.replace("\\\n", " ").splitlines()]
    lines += [line for line in INLINE.findall(prose) if len(line.split()) > 3]  # a module alone is a name
    for line in lines:
        for command in line.split("&&"):
            words = [] if SYNOPSIS in command else shlex.split(command, comments=True)
            if "-m" in words[:-1] and words[0] in ("python", "torchrun"):
                module, *rest = words[words.index("-m") + 1 :]
                yield module, rest


COMMANDS = [(page.name, *command) for page in PAGES for command in commands(page)]
OURS = [each for each in COMMANDS if each[1].startswith("reference_model.") or each[1] == "hoibench.run"]


@pytest.mark.parametrize(("page", "module", "words"), OURS, ids=lambda value: str(value)[:60])
def test_a_command_is_parsed(page, module, words):
    if words == ["--help"]:
        return
    options = parse_arguments(words) if module == "hoibench.run" else tyro.cli(OPTIONS[module], args=words)
    assert options is not None, page


def test_pages_show_every_command():
    shown = {(page, module) for page, module, _ in OURS}
    assert {module for page, module in shown if page == "reference_model.md"} == {*OPTIONS, "hoibench.run"}
    assert {("README.md", "hoibench.run"), ("methods.md", "hoibench.run")} <= shown


def test_an_unknown_option_is_refused():
    with pytest.raises(SystemExit):
        tyro.cli(TrainOptions, args=["--preset", "nano", "--no-such-option", "3"])


def test_the_launch_configuration_of_the_page_is_one(tmp_path):
    (change,) = fences(ROOT / "docs/reference_model.md", "toml")
    path = tmp_path / "launch.toml"
    path.write_text(launch_file("nano").read_text() + change)
    model, _ = read_launch(path, preset("nano"))
    assert preset("nano").cycle.guidance and not model.cycle.guidance
