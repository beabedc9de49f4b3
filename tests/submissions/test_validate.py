"""Validation of submissions: complete ones, and all problems of wrong ones at once."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from submission_files import zip_folder

from hoibench.cli.main import main
from hoibench.submissions.archive import unpack
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
        assert (found.problems, len(found.layout.predictions), found.submission.name) == ((), 12, "mine")


def test_the_command_prints_problems_and_returns_3(submission, capsys):
    assert main(["validate", str(submission)]) == 0
    assert "12 predictions of 6 clips, 2 seeds, 0 problems" in capsys.readouterr().out
    (submission / "submission.toml").write_text("name = 3")
    assert main(["validate", str(submission), "--json"]) == 3
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert "submission.toml: name is 3: input should be a valid string" in problems
    assert "submission.toml: the key 'licence' is missing" in problems
    assert len(problems) == 14 and all(problem.startswith("submission.toml: ") for problem in problems)
    assert main(["validate", str(submission / "none")]) == 2


def test_each_wrong_key_is_a_problem_of_its_own(submission):
    path = submission / "submission.toml"
    text = path.read_text().replace("licence", "license").replace('"i2vm"', '"none"')
    path.write_text(text.replace("[0, 1]", "[]").replace('title = "My method"', 'title = ""'))
    found = lines(submission)
    assert len(found) == 5 and all(line.startswith("submission.toml: ") for line in found)
    assert "submission.toml: unknown key 'license': did you mean 'licence'?" in found
    path.unlink()
    (line,) = lines(submission)
    assert line.startswith("submission.toml is missing: write it, as docs/submit.md shows")


def test_the_file_that_macos_adds_to_folders_is_ignored(submission):
    for folder in (submission, submission / "seed-0", submission / "seed-0" / "clip_0"):
        (folder / ".DS_Store").touch()
    assert lines(submission) == []


def test_what_macos_adds_to_a_zip_is_left_out(submission, tmp_path):
    path = zip_folder(submission, tmp_path / "mine.zip", "mine/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/mine/._submission.toml", "a")
        archive.writestr("__MACOSX/../../x.txt", "a")
        archive.writestr("mine/.DS_Store", "a")
        archive.writestr("mine/seed-0/.DS_Store", "a")
    assert lines(path) == []
    (folder := tmp_path / "unpacked").mkdir()
    unpack(path, folder)
    assert {file.relative_to(folder / "mine") for file in folder.rglob("*") if file.is_file()} == {
        file.relative_to(submission) for file in submission.rglob("*") if file.is_file()
    }
    assert not (tmp_path.parent / "x.txt").exists()


def test_every_problem_is_found_at_once(submission, tmp_path):
    text = (submission / "submission.toml").read_text().replace('name = "mine"', 'name = "frozen"')
    (submission / "submission.toml").write_text(text.replace("0123456789ab", "000000000000"))
    (submission / "seed-0" / "clip_0" / "tracks.npz").write_bytes(b"PK")
    (submission / "seed-0" / "clip_0" / "prediction.json").unlink()
    shutil.rmtree(submission / "seed-0" / "clip_2")
    shutil.rmtree(submission / "seed-1" / "clip_3")
    shutil.copytree(submission / "seed-0" / "clip_3", submission / "seed-1" / "clip_3")
    (submission / "seed-1" / "clip_4" / "a\x1b[31m\n.txt").write_text("a")
    found = lines(submission)
    expected = (
        "seed-1/clip_4/a", "'frozen' is the name of one of the benchmark's own rows", "submission.toml: split_id is",
        "seed-0 lacks 1 of 6 clips (clip_2)", "seed-0/clip_0/tracks.npz is not a complete npz file",
        "seed-1 repeats tracks of seed-0 in 1 clip", "seed-1 repeats video of seed-0 in 1 clip",
    )  # fmt: skip
    assert [part for part in expected if not any(part in line for line in found)] == []
    assert all(line.isprintable() and str(submission) not in line for line in found)


def test_an_archive_is_checked_before_it_is_unpacked(submission, tmp_path, capsys, monkeypatch):
    path = zip_folder(submission, tmp_path / "mine.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../x.txt", "a")
    assert lines(path) == [
        "mine.zip: member '../../x.txt' is a path outside the archive's folder: zip the folder's own files again"
    ]
    monkeypatch.chdir(tmp_path)
    assert lines(Path("mine.zip")) == lines(path), "also if the folder is '.', whose './' is part of '../'"
    flags = ["--dataset=toy", "--metrics=rpe", "--executor=inline", f"--out={tmp_path / 'run'}"]
    assert main(["run", f"--method=mine={path}", *flags]) == 2
    assert "is a path outside the archive's folder" in capsys.readouterr().err
    assert not (tmp_path / "run").exists() and not list((tmp_path / "cache").rglob("*.*"))
