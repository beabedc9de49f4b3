"""The files of a submission are listed without following a link or opening a file."""

import os
from pathlib import Path

import pytest

from hoibench.problems import ProblemsFound
from hoibench.submissions import layout as layout_module
from hoibench.submissions.layout import read_layout
from hoibench.submissions.stored_spec import stored_spec


def problems(root):
    return [str(problem).replace(f"{root}/", "") for problem in read_layout(root).problems]


def test_a_complete_submission_is_listed(complete):
    found = read_layout(complete)
    assert found.problems == ()
    assert [(each.seed, each.clip) for each in found.predictions] == [
        (s, f"clip_{n}") for s in (0, 1) for n in range(6)
    ]


def add(name, make):
    def change(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        make(root / name)

    return change


def _write(path):
    path.write_text("a")


CHANGES = {
    "seed-0/clip_9 is a link: copy the file": add("seed-0/clip_9", lambda path: path.symlink_to("/etc")),
    "seed-7 is a link: copy the file": add("seed-7", lambda path: path.symlink_to(path.parent / "seed-0")),
    "README.md is a link: copy the file": add("README.md", lambda path: path.symlink_to("/etc/passwd")),
    "seed-0/clip_1/view-3.mp4 is a link: copy the file": add(
        "seed-0/clip_1/view-3.mp4", lambda path: path.symlink_to("view-0.mp4")
    ),
    "seed-0/clip_1/view-3.mp4 is a special file, expected a regular file: remove it": add(
        "seed-0/clip_1/view-3.mp4", os.mkfifo
    ),
    "seed-0/clip_1/more is a folder, expected files only: remove it": add("seed-0/clip_1/more", Path.mkdir),
    "seed-0/clip_1/view-0.avi is no file of a submission: remove it": add("seed-0/clip_1/view-0.avi", _write),
    "seed-0/clip_1/tracks.zip is no file of a submission: remove it": add("seed-0/clip_1/tracks.zip", _write),
    "spec.toml is no file of a submission: remove it": add("spec.toml", _write),
    "method.py is no file of a submission: remove it": add("method.py", _write),
    "seed-0/x.json is no file of a submission: remove it": add("seed-0/x.json", _write),
    "clip_1 is beside folders seed-S: put every clip into the folder of its seed": add("clip_1", Path.mkdir),
    "seed-0/<b> is not a clip's name, expected letters, digits, '_', '.', '-'": add("seed-0/<b>", Path.mkdir),
}


@pytest.mark.parametrize("message", CHANGES)
def test_other_files_are_problems(submission, message):
    CHANGES[message](submission)
    assert message in problems(submission)


def test_a_run_refuses_them_too(submission):
    (submission / "seed-0" / "clip_9").symlink_to("/etc")
    with pytest.raises(ProblemsFound, match="clip_9 is a link"):
        stored_spec("mine", submission)


def test_huge_folders_are_a_problem(submission, monkeypatch):
    monkeypatch.setattr(layout_module, "MAX_ENTRIES", 5)
    assert problems(submission)[0].endswith("has over 5 entries: leave out other files")
