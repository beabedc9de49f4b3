"""The package that `hoibench init-method` writes; tests/submissions/test_own_package.py installs and runs one."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest

from hoibench.cli.main import main
from hoibench.methods.new_package import write_package
from hoibench.methods.spec import parse_spec


def test_all_parts_of_the_package_have_its_name(tmp_path, capsys):
    folder = tmp_path / "package"
    assert main(["init-method", "two_hands", "--out", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(folder)
    texts = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert not [name for name, text in texts.items() if "$" in text]
    project = tomllib.loads(texts["pyproject.toml"])
    assert project["project"]["entry-points"]["hoibench.methods"] == {"two_hands": "two_hands"}
    spec = parse_spec("spec.toml", tomllib.loads(texts["src/two_hands/spec.toml"]))
    assert (spec.id, spec.name, spec.entry) == ("two_hands", "Two hands", "two_hands.adapter:TwoHands")
    classes = [
        node.name for node in ast.walk(ast.parse(texts["src/two_hands/adapter.py"])) if isinstance(node, ast.ClassDef)
    ]
    assert classes == ["TwoHands"]
    assert "test_two_hands.py" in texts


def test_its_code_is_formatted(tmp_path):
    pytest.importorskip("ruff")
    write_package("mine", tmp_path / "mine")
    ruff = [sys.executable, "-m", "ruff"]
    for words in (
        ["check", "--select", "E,W,F,I,B,UP,SIM", "--line-length", "150"],
        ["format", "--check", "--line-length", "120"],
    ):
        done = subprocess.run([*ruff, *words, "--isolated", "."], cwd=tmp_path / "mine", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My-Method", "cannot name a Python package: .*, e.g. my_method$"),
        ("../mine", "cannot name a Python package: .*, e.g. mine$"),
        ("3d", "cannot name a Python package: use at most 40 small letters"),
        ("class", "cannot name a Python package"),
        ("m" * 41, "cannot name a Python package"),
        ("frozen", "is the id of a method that hoibench has already"),
        ("syncmv4d", "is the id of a method that hoibench has already"),
        ("numpy", "is the name of a Python module"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_package(name, tmp_path / "new")
    assert not any(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert main(["init-method", "mine"]) == 2
    assert re.fullmatch("error: mine exists already: choose another folder, or remove it\n", capsys.readouterr().err)
    assert not any((tmp_path / "mine").iterdir())
