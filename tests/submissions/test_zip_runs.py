"""Runs of stored predictions from a zip."""

import pytest
from submission_files import zip_folder
from toy_runs import headline_rows, run_toy

pytestmark = pytest.mark.usefixtures("toy")


def test_a_zip_gives_the_rows_of_its_folder(submission, tmp_path):
    archive = zip_folder(submission, tmp_path / "mine.zip", top="mine/")
    runs = {}
    for name, path, executor in (("folder", submission, "inline"), ("zip", archive, "local")):
        settings = {"method": (f"mine={path}",), "seed": (0, 1), "executor": executor, "workers": 2}
        outcome, _ = run_toy(tmp_path / name, limit=2, **settings)
        assert outcome.exit_code == 0
        runs[name] = headline_rows(tmp_path / name)
    assert runs["zip"].equals(runs["folder"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "folder", "mine", "mine.zip", "zip"]
