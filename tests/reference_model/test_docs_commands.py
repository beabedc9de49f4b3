"""Commands in the documentation are accepted by the parsers, the first steps run as printed, and the launch configuration is one."""

import os
import re
import shlex
import subprocess
import sys
from itertools import dropwhile
from pathlib import Path

import numpy as np
import pytest

from hoibench.arguments import parse
from hoibench.cli.run import parse_arguments
from hoibench.predictions import read_prediction
from hoibench.results.score_file import read_scores
from reference_model.ablate import AblateOptions
from reference_model.config import preset
from reference_model.evaluate import EvaluateOptions
from reference_model.export import ExportOptions
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
    "reference_model.export": ExportOptions,
    "reference_model.evaluate": EvaluateOptions,
    "reference_model.ablate": AblateOptions,
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
            words = list(dropwhile(lambda word: "=" in word, words))  # variables
            if "-m" in words[:-1] and words[0] in ("python", "torchrun"):
                module, *rest = words[words.index("-m") + 1 :]
                yield module, rest


COMMANDS = [(page.name, *command) for page in PAGES for command in commands(page)]
OURS = [each for each in COMMANDS if each[1].startswith("reference_model.") or each[1] == "hoibench.run"]


@pytest.mark.parametrize(("page", "module", "words"), OURS, ids=lambda value: str(value)[:60])
def test_a_command_is_parsed(page, module, words):
    if words == ["--help"]:
        return
    options = parse_arguments(words) if module == "hoibench.run" else parse(OPTIONS[module], words, module)
    assert options is not None, page


def test_pages_show_every_command():
    shown = {(page, module) for page, module, _ in OURS}
    assert {module for page, module in shown if page == "reference_model.md"} == {*OPTIONS, "hoibench.run"}
    assert {("README.md", "hoibench.run"), ("methods.md", "hoibench.run")} <= shown


@pytest.mark.slow
@pytest.mark.timeout(1800)  # the machine may be busy
def test_the_first_steps_run_as_printed(tmp_path):
    """Prepare, train, sample and run, each line as it is on the page, in one empty folder."""
    page = (ROOT / "docs/reference_model.md").read_text(encoding="utf-8")
    section = page[page.index("## First steps") : page.index("## Micro")]
    ((_, block),) = FENCED.findall(section)
    assert len(block.splitlines()) == 4
    variables = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OMP_NUM_THREADS": "1",
    }
    for line in block.splitlines():
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (tmp_path / done.stdout.splitlines()[-1]).name == "index.html"
    assert (tmp_path / done.stdout.splitlines()[-1]).is_file()
    (sampled,) = (tmp_path / "nano/samples/seed-0").iterdir()
    (ran,) = (tmp_path / "nano/run/predictions/syncmv4d+nano/seed-0").iterdir()
    one, other = read_prediction(sampled), read_prediction(ran)
    assert sampled.name == ran.name and np.array_equal(one.tracks, other.tracks)
    assert one.provenance["model"] == other.provenance["model"]
    (scores,) = (tmp_path / "nano/run/scores/syncmv4d+nano/seed-0").glob("*.jsonl")
    rows = [row for each in read_scores(scores).values() for row in each]
    assert {"rpe@2", "chamfer@2"} <= {row.metric for row in rows if row.status == "ok"}
    assert "failed" not in {row.status for row in rows}


def test_an_unknown_option_is_refused():
    with pytest.raises(ValueError, match="unknown option --no-such-option"):
        parse(TrainOptions, ["--preset", "nano", "--no-such-option", "3"], "train")


def test_the_launch_configuration_of_the_page_is_one(tmp_path):
    (change,) = fences(ROOT / "docs/reference_model.md", "toml")
    path = tmp_path / "launch.toml"
    path.write_text(launch_file("nano").read_text() + change)
    model, _ = read_launch(path, preset("nano"))
    assert preset("nano").cycle.guidance and not model.cycle.guidance
