"""Validation of submissions: complete ones, and all problems of wrong ones at once."""

import json

import pytest
from submission_files import zip_folder

from hoibench.cli.main import main
from hoibench.submissions.validate import validate

pytestmark = pytest.mark.usefixtures("toy")


def lines(path):
    return [str(problem) for problem in validate(path).problems]


def test_a_complete_submission_has_no_problems(submission, tmp_path):
    for path in (
        submission,
        zip_folder(submission, tmp_path / "mine.zip"),
        zip_folder(submission, tmp_path / "m.ZIP", "mine/"),
    ):
        found = validate(path)
        assert (found.problems, found.predictions, found.submission.name) == ((), 12, "mine")


def test_the_command_prints_problems_and_returns_3(submission, capsys):
    assert main(["validate", str(submission)]) == 0
    assert "12 predictions, 0 problems" in capsys.readouterr().out
    (submission / "submission.toml").write_text("name = 3")
    assert main(["validate", str(submission), "--json"]) == 3
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem.startswith("submission.toml: ") and "name is 3" in problem
    assert main(["validate", str(submission / "none")]) == 2
