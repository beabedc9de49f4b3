"""The options of all commands: the same name is the same kind of value everywhere, and every --help is readable on a narrow terminal."""

import importlib
from collections import defaultdict
from dataclasses import fields
from typing import Literal, get_origin

import pytest

from hoibench.arguments import Option, parse

CLASSES = [
    ("hoibench.evaluation.config", "RunConfig"),
    ("hoibench.cli.cache", "Cache"),
    ("hoibench.cli.compare", "Compare"),
    ("hoibench.cli.data_doctor", "Doctor"),
    ("hoibench.cli.data_mano", "ManoFiles"),
    ("hoibench.cli.data_prepare", "Prepare"),
    ("hoibench.cli.doctor", "Doctor"),
    ("hoibench.cli.init_method", "InitMethod"),
    ("hoibench.cli.ls", "Ls"),
    ("hoibench.cli.merge", "Merge"),
    ("hoibench.cli.power", "Power"),
    ("hoibench.cli.score", "Score"),
    ("hoibench.cli.show", "Show"),
    ("hoibench.cli.weights", "Ls"),
    ("hoibench.cli.weights", "Fetch"),
    ("hoibench.cli.weights", "PathOf"),
    ("hoibench.cli.weights", "Add"),
    ("hoibench.evaluation.self_test", "Options"),
    ("leaderboard.build", "BuildOptions"),
    ("reference_model.evaluate", "EvaluateOptions"),
    ("reference_model.export", "ExportOptions"),
    ("reference_model.info", "InfoOptions"),
    ("reference_model.prepare", "PrepareOptions"),
    ("reference_model.sample", "SampleOptions"),
    ("reference_model.train", "TrainOptions"),
]


def options_of(module, name):
    cls = getattr(importlib.import_module(module), name)
    return [Option.of(cls, field) for field in fields(cls)]


def test_an_option_takes_the_same_kind_of_value_in_every_command():
    kinds = defaultdict(lambda: defaultdict(list))
    for module, name in CLASSES:
        for option in options_of(module, name):
            if not option.is_positional:
                element = str if get_origin(option.element) is Literal else option.element
                kinds[option.flag][element].append(f"{module}.{name}")
    assert {flag: dict(found) for flag, found in kinds.items() if len(found) > 1} == {}


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_the_help_of_every_command_has_readable_types_and_fits_the_terminal(module, name, columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as end:
        parse(getattr(importlib.import_module(module), name), ["--help"], "command")
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert not [word for word in ("{None}", "default: None", "[STR", "{", "MISSING") if word in text]
    assert max(map(len, text.splitlines())) <= columns
    text = " ".join(text.split())
    for option in options_of(module, name):
        assert option.is_positional or option.flag in text
