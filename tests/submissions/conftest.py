"""A complete submission of the toy data set, made once."""

import shutil
from pathlib import Path

import pytest
from submission_files import make_prediction

from hoibench.predictions import write_prediction

SUBMISSION = """\
name = "mine"
title = "My method"
authors = ["A. Name", "B. Name"]
contact = "mail@example.org"
licence = "CC-BY-4.0"
dataset = "toy"
split = "toy@1/demo"
split_id = "0123456789ab"
seeds = [0, 1]
families = ["i2vm"]
view_type = "mv"
outputs = ["video", "tracks"]
pairing = "query"
scale = "metric"
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own, into which archives are unpacked."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("HOIBENCH_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def complete(package, tmp_path_factory):
    """The folder of a complete submission: two seeds of all six clips; a test must not change it."""
    folder = tmp_path_factory.mktemp("submission") / "mine"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(package)
        from toyset.data import ENTRIES, Toy

        for entry in ENTRIES:
            clip = Toy().load(entry)
            for seed in (0, 1):
                write_prediction(folder / f"seed-{seed}" / entry.id, make_prediction(clip, seed), clip.fps)
    (folder / "submission.toml").write_text(SUBMISSION)
    return folder


@pytest.fixture
def submission(complete, tmp_path) -> Path:
    """A copy of the complete submission."""
    return Path(shutil.copytree(complete, tmp_path / "mine"))
