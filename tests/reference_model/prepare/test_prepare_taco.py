"""TACO's clips: every camera that was prepared, each with its cluster, of which training draws one a cluster."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from taco_tree import HIT

from hoibench.clip import CLUSTERS
from hoibench.datasets.taco.dataset import TacoDataset
from hoibench.datasets.taco.prepare.format import VIDEO, view_folder
from hoibench.datasets.taco.protocol import Recipe
from hoibench.datasets.taco.rig import rig
from hoibench.datasets.taco.splits import split_lines
from reference_model.cache import LatentCache
from reference_model.cache.metadata import claim, of_config
from reference_model.config import PRESETS
from reference_model.preparation import clips as prepare_clips
from reference_model.preparation.job import Job
from reference_model.preparation.shots import shots_of
from reference_model.prepare import main


@pytest.fixture
def long_job(config, origin, tmp_path):
    """A job for clips of 49 frames."""
    long = replace(config, frames=49)
    return Job(tmp_path / "out", origin.model_copy(update=of_config(long)), long, tmp_path, "cpu")


@pytest.fixture(autouse=True)
def quick(monkeypatch, long_job):
    monkeypatch.setattr(prepare_clips, "_load_encoder", lambda job: lambda video: torch.zeros(long_job.origin.latent))


def prepare(job, dataset, cameras):
    told = []
    claim(job.out, job.origin)
    entries = dataset.manifest("test").entries
    assert [entry.id for entry in entries] == [HIT.key]
    prepare_clips.prepare_clips(job, shots_of(dataset, entries, cameras), told.append)
    return told


def test_the_splits_cameras_are_the_default(prepared, long_job):
    told = prepare(long_job, TacoDataset.open(prepared), "split")
    assert [outcome.status for outcome in told] == ["made"] * 3
    assert [view.cluster for view in LatentCache(long_job.out).views(HIT.key)] == ["left", "center", "right"]


def test_all_cameras_keep_their_clusters_and_one_that_is_broken_costs_no_other(prepared, long_job, tmp_path):
    out = shutil.copytree(prepared, tmp_path / "prepared")
    (line,) = (line for line in split_lines("test") if line.entry.id == HIT.key)
    recipe = Recipe.parse(line.recipe)
    serials = {path.name for path in view_folder(out, HIT.key, recipe, "x").parent.iterdir()}
    assert serials > set(line.entry.camera_ids)  # the source view, too
    broken = line.entry.camera_ids[0]
    video = view_folder(out, HIT.key, recipe, broken) / VIDEO
    video.write_bytes(video.read_bytes()[:-100])
    told = prepare(long_job, TacoDataset.open(out), "all")
    assert {outcome.view for outcome in told} == serials
    assert [(outcome.view, VIDEO in outcome.reason) for outcome in told if outcome.status == "broken"] == [
        (broken, True)
    ]
    views = LatentCache(long_job.out).views(HIT.key)
    assert {view.id for view in views} == serials - {broken}
    assert all(view.cluster == rig().cluster(view.id) for view in views)
    order = [CLUSTERS.index(view.cluster) for view in views]
    assert order == sorted(order)
    assert max(order.count(i) for i in range(3)) >= 2  # a cluster with several


def test_a_download_offers_every_camera_that_it_has(taco, long_job, monkeypatch, shared_cache):
    monkeypatch.setenv("HOIBENCH_CACHE", str(shared_cache))
    dataset = TacoDataset.open(taco.root)
    shots = list(shots_of(dataset, dataset.manifest("test").entries, "all"))
    assert {shot.clip for shot in shots} == {HIT.key}
    assert sorted(view for shot in shots for view in shot.views) == sorted(HIT.serials)
    assert all(len(shot.views) == 1 for shot in shots)


def test_the_command_on_a_prepared_folder(prepared, wan_folder, long_job, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(PRESETS, "nano", long_job.config)
    options = [
        "--preset",
        "nano",
        "--wan",
        str(wan_folder),
        "--dataset",
        "taco",
        "--root",
        str(prepared),
        "--split",
        "test",
    ]
    assert main([*options, "--cameras", "all", "--out", str(prepared / "latents")]) == 2
    assert "lies in the download" in " ".join(capsys.readouterr().err.split())
    assert main([*options, "--out", str(tmp_path / "out")]) == 0
    assert (
        main([*options, "--cameras", "all", "--out", str(tmp_path / "out"), "--json"]) == 0
    )  # the same folder, with more cameras
    told = capsys.readouterr().out
    report = json.loads(told[told.index("{") :])
    assert report["views"] == {"made": 1, "kept": 3, "broken": 0}
    assert sum(report["left_out"].values()) == 83  # of 84 in the split
    cache = LatentCache(tmp_path / "out")
    assert cache.origin.split == "taco-syncmv4d@1/test_unseen"
    assert len(cache.views(HIT.key)) == 4
    assert cache.text(cache.load(HIT.key, cache.views(HIT.key)[0].id).prompt).shape == cache.origin.text
