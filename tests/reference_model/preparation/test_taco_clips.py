"""TACO's clips: every prepared camera with its cluster."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

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
from reference_model.cache.settings import config_settings, ensure_cache_settings
from reference_model.config import PRESETS
from reference_model.cycle.track_codec import Autoencoders
from reference_model.preparation.clips import prepare_clips
from reference_model.preparation.job import PreparationJob
from reference_model.preparation.view_groups import group_views
from reference_model.prepare import main


@pytest.fixture
def long_job(config, cache_settings, tmp_path):
    """A job for clips of 49 frames."""
    long = replace(config, frames=49)
    return PreparationJob(
        tmp_path / "out", cache_settings.model_copy(update=config_settings(long)), long, tmp_path, "cpu"
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(
        PreparationJob,
        "load_autoencoders",
        lambda job: Autoencoders(*[SimpleNamespace(encode=lambda video: torch.zeros(job.settings.latent_shape))] * 2),
    )


def prepare(job, dataset, cameras):
    results = []
    ensure_cache_settings(job.folder, job.settings)
    entries = dataset.manifest("test").entries
    assert [entry.id for entry in entries] == [HIT.key]
    prepare_clips(job, group_views(dataset, entries, cameras), results.append)
    return results


def test_the_splits_cameras_are_the_default(prepared, long_job):
    results = prepare(long_job, TacoDataset.open(prepared), "split")
    assert [result.status for result in results] == ["created"] * 3
    assert [view.cluster for view in LatentCache(long_job.folder).views(HIT.key)] == ["left", "center", "right"]


def test_all_cameras_keep_their_clusters_and_a_damaged_one_costs_no_other(prepared, long_job, tmp_path):
    out = shutil.copytree(prepared, tmp_path / "prepared")
    (line,) = (line for line in split_lines("test") if line.entry.id == HIT.key)
    recipe = Recipe.parse(line.recipe)
    serials = {path.name for path in view_folder(out, HIT.key, recipe, "x").parent.iterdir()}
    assert serials > set(line.entry.camera_ids)  # the source view, too
    damaged = line.entry.camera_ids[0]
    video = view_folder(out, HIT.key, recipe, damaged) / VIDEO
    video.write_bytes(video.read_bytes()[:-100])
    results = prepare(long_job, TacoDataset.open(out), "all")
    assert {result.view for result in results} == serials
    assert [(result.view, VIDEO in result.reason) for result in results if result.status == "failed"] == [
        (damaged, True)
    ]
    views = LatentCache(long_job.folder).views(HIT.key)
    assert {view.id for view in views} == serials - {damaged}
    assert all(view.cluster == rig().cluster(view.id) for view in views)
    order = [CLUSTERS.index(view.cluster) for view in views]
    assert order == sorted(order)
    assert max(order.count(i) for i in range(3)) >= 2  # a cluster with several


def test_all_cameras_of_a_download_are_prepared(taco, long_job, monkeypatch, shared_cache):
    monkeypatch.setenv("HOIBENCH_CACHE", str(shared_cache))
    dataset = TacoDataset.open(taco.root)
    groups = list(group_views(dataset, dataset.manifest("test").entries, "all"))
    assert {view_group.clip for view_group in groups} == {HIT.key}
    assert sorted(view for view_group in groups for view in view_group.views) == sorted(HIT.serials)
    assert all(len(view_group.views) == 1 for view_group in groups)


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
    assert "is inside the download" in " ".join(capsys.readouterr().err.split())
    assert main([*options, "--out", str(tmp_path / "out")]) == 0
    assert (
        main([*options, "--cameras", "all", "--out", str(tmp_path / "out"), "--json"]) == 0
    )  # the same folder, with more cameras
    output = capsys.readouterr().out
    report = json.loads(output[output.index("{") :])
    assert report["views"] == {"created": 1, "skipped": 3, "failed": 0}
    assert sum(report["excluded"].values()) == 83  # of 84 in the split
    cache = LatentCache(tmp_path / "out")
    assert cache.settings.split == "taco-syncmv4d@2/test_unseen"
    assert len(cache.views(HIT.key)) == 4
    assert cache.text(cache.load(HIT.key, cache.views(HIT.key)[0].id).prompt).shape == cache.settings.text_shape
