"""``--processes``: the cache equals that of one process, and a process that ends costs one clip."""

import json
import os
import shutil
from dataclasses import replace
from functools import partial

import pytest

from hoibench.datasets.base import sample_clips
from hoibench.datasets.synthetic.dataset import SyntheticDataset, clips_folder
from reference_model.preparation.clips import ViewResult
from reference_model.preparation.parallel import prepare_clips_in_parallel
from reference_model.preparation.view_groups import group_views
from reference_model.prepare import main


@pytest.mark.slow
def test_two_processes_generate_and_encode_the_clips_of_one(train_root, contents, tmp_path, capsys):
    """Also those that the autoencoder is fitted to."""
    options = ["--preset", "micro", "--dataset", "synthetic", "--limit", "2", "--size", "64,96", "--json"]
    written = []
    for processes in ("1", "2"):
        root, out = shutil.copytree(train_root, tmp_path / f"root-{processes}"), tmp_path / f"cache-{processes}"
        arguments = [*options, "--processes", processes, "--root", str(root), "--out", str(out), "--device", "cpu"]
        assert main(arguments) == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["clips"], report["views"]) == (2, {"created": 6, "skipped": 0, "failed": 0})
        written.append((contents(clips_folder(root)), contents(out)))
    assert written[0] == written[1]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["views"] == {"created": 0, "skipped": 6, "failed": 0}


@pytest.mark.slow
def test_a_process_that_ends_fails_its_clip_and_the_others_are_prepared(job, train_root):
    dataset = SyntheticDataset.open(train_root)
    (good,) = group_views(dataset, sample_clips(dataset.manifest("train").entries, 1), "split")
    bad = replace(good, clip="a", load=partial(os._exit, 9))
    results = []
    prepare_clips_in_parallel(job, [bad, good], 2, results.append)
    reason = "its process ended by itself with exit code 9: its code or a library called exit"
    expected = {ViewResult("a", view, "failed", reason) for view in bad.views}
    assert set(results) == expected | {ViewResult(good.clip, view, "created") for view in good.views}


def test_no_process_is_refused(capsys):
    assert main(["--preset", "nano", "--dataset", "synthetic", "--processes", "0"]) == 2
    assert "error: --processes is 0, expected at least 1" in capsys.readouterr().err
