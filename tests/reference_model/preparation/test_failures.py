"""Failures: reported by name, without harm to other clips."""

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hoibench.datasets.base import sample_clips
from hoibench.datasets.synthetic.dataset import SyntheticDataset
from hoibench.errors import Crash
from hoibench.store import atomic
from reference_model.cache import LatentCache
from reference_model.cache.settings import ensure_cache_settings
from reference_model.cycle.track_codec import Autoencoders
from reference_model.preparation.clips import ViewResult, prepare_clips
from reference_model.preparation.job import PreparationJob
from reference_model.prepare import main


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """An autoencoder that takes no time; its values do not matter here."""

    def encode(video):
        n, h, w = (len(video) - 1) // 4 + 1, video.shape[1] // 16, video.shape[2] // 16
        return torch.full((16, n, h, w), float(video.mean()))

    monkeypatch.setattr(
        PreparationJob, "load_autoencoders", lambda job: Autoencoders(*[SimpleNamespace(encode=encode)] * 2)
    )


def prepare(job, groups) -> list[ViewResult]:
    results = []
    ensure_cache_settings(job.folder, job.settings)
    prepare_clips(job, groups, results.append)
    return results


def without_tracks(clip):
    return {"tracks": None}


def without_camera(clip):
    return {"views": (clip.views[0], replace(clip.views[1], camera=None), clip.views[2])}


def without_cluster(clip):
    return {"views": (clip.views[0], replace(clip.views[1], cluster=None), clip.views[2])}


def without_video(clip):
    return {"load_video": None}


def unseen(clip):
    visible = clip.tracks.visible.copy()
    visible[1, 0] = False
    return {"tracks": replace(clip.tracks, visible=visible)}


def longer(clip):
    tracks = clip.tracks
    world, visible = (
        np.concatenate([tracks.world, tracks.world[:1]]),
        np.concatenate([tracks.visible, tracks.visible[:, :1]], axis=1),
    )
    return {"frames": clip.frames + 1, "tracks": replace(tracks, world=world, visible=visible, depth_edge=None)}


FAULTS = [
    (without_tracks, 3, "has no video, tracks"),
    (without_camera, 1, "view 22139916 has no video, tracks, camera or cluster"),
    (without_cluster, 1, "view 22139916 has no video, tracks, camera or cluster"),
    (without_video, 3, "has no video"),
    (unseen, 1, "view 22139916 sees no point in frame 0"),
    (longer, 3, "the clip has 26 frames, the model 25"),
]


@pytest.mark.parametrize(("fault", "views", "reason"), FAULTS, ids=[fault.__name__ for fault, *_ in FAULTS])
def test_a_clip_that_fails_is_reported_and_the_others_are_prepared(job, view_group, clip, fault, views, reason):
    results = prepare(job, [view_group("b", **fault(clip)), view_group("c")])
    failed = [result for result in results if result.status == "failed"]
    assert len(failed) == views
    assert all(result.clip == "b" and reason in result.reason for result in failed)
    assert [result.clip for result in results if result.status == "created"] == ["b"] * (3 - views) + ["c"] * 3
    cache = LatentCache(job.folder)
    assert [len(cache.views(name)) for name in cache.clips] == ([3 - views, 3] if views < 3 else [3])


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x.npz is broken"),
        FileNotFoundError("x.npz"),
        IndexError("what?"),
        PermissionError(13, "closed", "x.npz"),
    ],
)
def test_any_error_of_a_clip_fails_that_clip_only(job, view_group, error):
    def fail():
        raise error

    results = prepare(job, [replace(view_group("a"), load=fail), view_group("b")])
    assert [result.status for result in results] == ["failed"] * 3 + ["created"] * 3
    assert all(str(error) in result.reason for result in results[:3])


def test_another_prompt_than_the_splits_fails_the_clip(job, view_group):
    results = prepare(job, [replace(view_group("a"), prompt=""), view_group("b")])
    assert [result.status for result in results] == ["failed"] * 3 + ["created"] * 3
    assert all("clip a has the prompt" in each.reason and "its split entry ''" in each.reason for each in results[:3])


@pytest.mark.parametrize("name", ["z_video", "z_motion"])
def test_latents_with_nan_are_refused_by_name(job, view_group, clip, monkeypatch, name):
    def encode(video):
        is_nan = (np.median(video) == 0) == (name == "z_motion")  # the pseudo-video is mostly black
        return torch.full((16, 7, 4, 6), np.nan if is_nan else 0.0)

    monkeypatch.setattr(
        PreparationJob, "load_autoencoders", lambda job: Autoencoders(*[SimpleNamespace(encode=encode)] * 2)
    )
    results = prepare(job, [view_group()])
    assert [result.status for result in results] == ["failed"] * 3
    assert f"{name} contains NaN or infinity" in results[0].reason
    assert f"{clip.id}/left/22139909.safetensors was not written" in results[0].reason
    assert not list(job.folder.rglob("*.safetensors"))


@pytest.mark.parametrize("full", [0, 2])
def test_a_full_disk_stops_preparation_and_it_resumes(job, view_group, contents, monkeypatch, tmp_path, full):
    groups, undisturbed = [view_group("a"), view_group("b")], replace(job, folder=tmp_path / "undisturbed")
    prepare(undisturbed, groups)
    synced = []

    def no_space(path):
        synced.append(path)
        if path.suffix == ".safetensors" and len([p for p in synced if p.suffix == ".safetensors"]) > full:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "sync", no_space)
        with pytest.raises(OSError, match="No space left") as caught:
            prepare(job, groups)
    assert caught.value.errno == errno.ENOSPC
    assert len(list(job.folder.rglob("*.safetensors"))) == full
    assert not list(job.folder.rglob(".tmp-*"))
    results = prepare(job, groups)
    assert [result.status for result in results].count("skipped") == full
    assert contents(job.folder) == contents(undisturbed.folder)


def test_a_full_disk_while_a_clip_is_loaded_fails_no_clip(job, view_group):
    def fail():
        raise OSError(errno.ENOSPC, "no space left in the cache")

    with pytest.raises(OSError, match="no space left in the cache"):
        prepare(job, [replace(view_group(), load=fail)])


def test_out_of_memory_says_what_to_lower(job, view_group, monkeypatch):
    def encode(video):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(
        PreparationJob, "load_autoencoders", lambda job: Autoencoders(*[SimpleNamespace(encode=encode)] * 2)
    )
    with pytest.raises(Crash, match="cpu is out of memory .*lower --size; completed views are kept"):
        prepare(job, [view_group()])


def test_a_full_disk_is_reported_in_one_sentence(arguments, prepared_cache, tmp_path, monkeypatch, capsys):
    out = shutil.copytree(prepared_cache, tmp_path / "cache")
    next(out.glob("views/*/center/*.safetensors")).unlink()

    def no_space(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "sync", no_space)
    assert main([*arguments, "--out", str(out)]) == 1
    error = capsys.readouterr()
    assert "No space left on device" in error.err or "no space left while writing" in error.err
    assert "completed work is kept: free some space and give the same command again" in error.err
    assert "Traceback" not in error.err


def test_a_clip_that_fails_is_listed_and_the_exit_code_is_3(arguments, train_root, prepared_cache, tmp_path, capsys):
    root = shutil.copytree(train_root, tmp_path / "root")
    dataset = SyntheticDataset.open(root)
    (entry,) = sample_clips(dataset.manifest("train").entries, 1)
    video = sorted(dataset.generate(entry).rglob("*.mp4"))[0]
    video.write_bytes(video.read_bytes()[:1000])
    options = [str(root) if word == str(train_root) else word for word in arguments] + [
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*options, "--json"]) == 3
    report = json.loads(capsys.readouterr().out)
    assert report["views"] == {"created": 0, "skipped": 0, "failed": 3}
    assert [key.split("/")[0] for key in report["failed"]] == [entry.id] * 3
    assert all(video.name in reason for reason in report["failed"].values())
    assert main(options) == 3
    assert f"failed  {entry.id}/22139909  " in capsys.readouterr().out


def test_other_settings_are_refused_with_the_difference(arguments, prepared_cache, tmp_path, capsys):
    before = {path: path.stat().st_mtime_ns for path in prepared_cache.rglob("*")}
    assert main([*arguments, "--out", str(prepared_cache), "--dtype", "bfloat16", "--split", "val"]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert (
        f"{prepared_cache} was made with other settings (dtype was float32, now bfloat16;"
        " split was synthetic@2/train, now synthetic@2/val; split_id was" in error
    )
    assert "give another folder by --out" in error
    assert {path: path.stat().st_mtime_ns for path in prepared_cache.rglob("*")} == before


def test_other_weights_are_refused(arguments, prepared_cache, wan_folder, tmp_path, capsys):
    other = shutil.copytree(wan_folder, tmp_path / "wan")
    (other / "tokenizer" / "tokenizer_config.json").write_text("{}")
    options = [str(other) if word == str(wan_folder) else word for word in arguments]
    assert main([*options, "--out", str(prepared_cache)]) == 2
    assert "was made with other settings (text_encoder was " in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", ["vae", "text_encoder", "tokenizer"])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_a_missing_part_is_named_in_one_sentence(arguments, wan_folder, tmp_path, capsys, name, how):
    other = tmp_path / "wan"
    for part in ("vae", "text_encoder", "tokenizer"):
        if part != name:
            shutil.copytree(wan_folder / part, other / part)
    if how == "empty":
        (other / name).mkdir()
    options = [str(other) if word == str(wan_folder) else word for word in arguments]
    assert main([*options, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert str(Path("wan") / name) in error
    assert "Wan2.2-TI2V-5B-Diffusers" in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (["--size", "100,96"], "height is 100: expected a multiple of 32, such as 96 or 128"),
        (["--preset", "wan22_5b"], "clips of synthetic have 25 frames, preset wan22_5b takes 49: give --preset nano"),
        (["--preset", "nanno"], "there is no preset 'nanno': expected one of wan22_5b, nano"),
        (["--limit", "0"], "--limit is 0, expected at least 1"),
        (["--split", "trian"], "unknown split of synthetic@2 'trian': did you mean train"),
        (["--cameras", "all"], "synthetic has no cameras outside its splits: leave out --cameras all"),
    ],
)
def test_invalid_options_are_named(arguments, tmp_path, capsys, changed, reason):
    assert main([*arguments, "--out", str(tmp_path / "out"), *changed]) == 2
    assert reason in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()
