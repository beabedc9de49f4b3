"""``hoibench doctor``."""

import json

import pytest
from fake_upstream import complete, make_tree

from hoibench.cli.main import main
from hoibench.cli.run import main as run
from hoibench.methods.registry import installed_specs


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def doctor(capsys, *words):
    code = main(["doctor", *words, "--json"])
    return code, {found["method"]: found for found in json.loads(capsys.readouterr().out)}


def test_each_baseline_says_what_is_missing_and_how_to_get_it(capsys):
    names = [name for name, spec in installed_specs().items() if spec.entry.startswith("baselines.")]
    code, found = doctor(capsys, *names)
    assert code == 3 and len(found) == len(names)
    for key, diagnosis in found.items():
        spec = installed_specs()[key.partition("+")[0]]
        required = [name for name, setting in spec.settings.items() if setting.required]
        for name, problem in zip(required, diagnosis["problems"][: len(required)], strict=True):
            assert problem.startswith(f"needs --set {key}.{name}=")
        text = " ".join(diagnosis["problems"])
        assert all((file.path or file.hub) in text for file in spec.files)
        assert spec.terms in text and diagnosis["environment"]
        assert ("upstream" in spec.settings) == (diagnosis["clone"] is not None)


def test_a_method_that_can_start_is_ready(environment, capsys):
    tree = make_tree("geometrycrafter", environment)
    complete(tree, environment / "hub")
    flags = [*tree.flags, "--set", "geometrycrafter.accept_terms=true"]
    assert main(["doctor", "geometrycrafter", *flags]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "geometrycrafter: GeometryCrafter" and lines[-1].split() == ["ready"]
    assert any(line.startswith("  terms   For academic, research") for line in lines)


def test_a_configuration_file_gives_the_settings(environment, capsys):
    tree = make_tree("geometrycrafter", environment)
    (environment / "config.toml").write_text(
        f'[methods.geometrycrafter]\nupstream = "{tree.path}"\ncommit = "any"\naccept_terms = true\n[methods.wan22]\nsteps = 3\n'
    )
    code, found = doctor(capsys, "geometrycrafter", "--config", "config.toml")
    problems = found["geometrycrafter"]["problems"]
    assert code == 3 and problems[0].startswith("needs --set geometrycrafter.python=")
    assert not any("upstream" in problem or "terms" in problem for problem in problems)


@pytest.mark.usefixtures("toy")
def test_a_dry_run_finds_the_same(environment, capsys):
    tree = make_tree("geometrycrafter", environment)
    complete(tree, environment / "not the hub")
    flags = [*tree.flags, "--set", "geometrycrafter.commit=1234567"]
    code, found = doctor(capsys, "geometrycrafter", *flags)
    problems = found["geometrycrafter"]["problems"]
    assert code == 3 and len(problems) == 1 + 1 + 3, "terms, commit and three models"
    words = [
        "--dataset",
        "toy",
        "--method",
        "geometrycrafter",
        *flags,
        "--metrics",
        "rpe",
        "--limit",
        "1",
        "--dry-run",
        "--json",
    ]
    assert run(words) == 2
    facts = json.loads(capsys.readouterr().out)
    assert facts["problems"] == [f"geometrycrafter cannot start: {problem}" for problem in problems]


def test_unknown_methods_are_refused(capsys):
    assert main(["doctor", "wan2"]) == 2
    assert "wan22" in capsys.readouterr().err
