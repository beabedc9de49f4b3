"""What goes wrong costs what it must and no more, and is told by name."""

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hoibench.datasets.base import sample_clips
from hoibench.datasets.synthetic.dataset import SyntheticDataset
from hoibench.errors import Crash
from hoibench.store import atomic
from reference_model.cache import LatentCache
from reference_model.cache.metadata import claim
from reference_model.preparation import clips as prepare_clips
from reference_model.preparation.clips import Outcome
from reference_model.prepare import main


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """An autoencoder that takes no time: what it gives is not asked here."""

    def encode(video):
        n, h, w = (len(video) - 1) // 4 + 1, video.shape[1] // 16, video.shape[2] // 16
        return torch.full((16, n, h, w), float(video.mean()))

    monkeypatch.setattr(prepare_clips, "_load_encoder", lambda job: encode)


def prepare(job, shots) -> list[Outcome]:
    told = []
    claim(job.out, job.origin)
    prepare_clips.prepare_clips(job, shots, told.append)
    return told


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
    return {"frames": clip.frames + 1, "tracks": replace(tracks, world=world, visible=visible)}


def renamed(clip):
    return {"prompt": "another"}


BROKEN = [
    (without_tracks, 3, "the clip has no tracks"),
    (without_camera, 1, "view 22139916 has no camera"),
    (without_cluster, 1, "view 22139916 has no cluster"),
    (without_video, 3, "the clip has no video"),
    (unseen, 1, "view 22139916 sees no point in frame 0"),
    (longer, 3, "the clip has 26 frames, the model 25"),
    (renamed, 3, "its prompt is 'another'"),
]


@pytest.mark.parametrize(("fault", "views", "reason"), BROKEN, ids=[fault.__name__ for fault, *_ in BROKEN])
def test_a_broken_clip_is_told_and_the_others_are_done(job, shot, clip, fault, views, reason):
    told = prepare(job, [shot("b", **fault(clip)), shot("c")])
    broken = [outcome for outcome in told if outcome.status == "broken"]
    assert len(broken) == views
    assert all(outcome.clip == "b" and reason in outcome.reason for outcome in broken)
    assert [outcome.clip for outcome in told if outcome.status == "made"] == ["b"] * (3 - views) + ["c"] * 3
    cache = LatentCache(job.out)
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
def test_whatever_a_clip_raises_is_its_own_fault(job, shot, error):
    def fail():
        raise error

    told = prepare(job, [replace(shot("a"), load=fail), shot("b")])
    assert [outcome.status for outcome in told] == ["broken"] * 3 + ["made"] * 3
    assert all(str(error) in outcome.reason for outcome in told[:3])


@pytest.mark.parametrize("name", ["z_video", "z_motion"])
def test_latents_that_are_no_numbers_are_refused_by_name(job, shot, clip, monkeypatch, name):
    def encode(video):
        spoilt = (video.mean() < 0.1) == (name == "z_motion")  # the pseudo-video is mostly black
        return torch.full((16, 7, 4, 6), np.nan if spoilt else 0.0)

    monkeypatch.setattr(prepare_clips, "_load_encoder", lambda job: encode)
    told = prepare(job, [shot()])
    assert [outcome.status for outcome in told] == ["broken"] * 3
    assert f"{name} holds NaN or infinity" in told[0].reason
    assert f"{clip.id}/left/22139909.safetensors was not written" in told[0].reason
    assert not list(job.out.rglob("*.safetensors"))


@pytest.mark.parametrize("full", [0, 2])
def test_a_full_disk_stops_it_leaves_no_half_and_is_gone_on_with(job, shot, contents, monkeypatch, tmp_path, full):
    shots, undisturbed = [shot("a"), shot("b")], replace(job, out=tmp_path / "undisturbed")
    prepare(undisturbed, shots)
    synced = []

    def no_space(path):
        synced.append(path)
        if path.suffix == ".safetensors" and len([p for p in synced if p.suffix == ".safetensors"]) > full:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "sync", no_space)
        with pytest.raises(OSError, match="No space left") as caught:
            prepare(job, shots)
    assert caught.value.errno == errno.ENOSPC
    assert len(list(job.out.rglob("*.safetensors"))) == full
    assert not list(job.out.rglob(".tmp-*"))
    told = prepare(job, shots)
    assert [outcome.status for outcome in told].count("kept") == full
    assert contents(job.out) == contents(undisturbed.out)


def test_a_disk_that_is_full_while_a_clip_is_made_is_nobodys_fault(job, shot):
    def fail():
        raise OSError(errno.ENOSPC, "no space left in the cache")

    with pytest.raises(OSError, match="no space left in the cache"):
        prepare(job, [replace(shot(), load=fail)])


def test_memory_that_is_full_says_what_to_lower(job, shot, monkeypatch):
    def encode(video):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(prepare_clips, "_load_encoder", lambda job: encode)
    with pytest.raises(Crash, match="the memory of cpu is full .*lower --size; what was done is kept"):
        prepare(job, [shot()])


def test_a_full_disk_is_told_in_one_sentence(arguments, made, tmp_path, monkeypatch, capsys):
    out = shutil.copytree(made, tmp_path / "cache")
    next(out.glob("views/*/center/*.safetensors")).unlink()

    def no_space(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "sync", no_space)
    assert main([*arguments, "--out", str(out)]) == 1
    told = capsys.readouterr()
    assert "No space left on device" in told.err or "no space left while writing" in told.err
    assert "what was done is kept: free some space and give the same command again" in told.err
    assert "Traceback" not in told.err


def test_a_broken_clip_is_listed_and_the_exit_code_is_3(arguments, train_root, made, tmp_path, capsys):
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
    assert report["views"] == {"made": 0, "kept": 0, "broken": 3}
    assert [key.split("/")[0] for key in report["broken"]] == [entry.id] * 3
    assert all(video.name in reason for reason in report["broken"].values())
    assert main(options) == 3
    assert f"broken  {entry.id}/22139909  " in capsys.readouterr().out


def test_another_way_of_making_it_is_refused_with_the_difference(arguments, made, tmp_path, capsys):
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    assert main([*arguments, "--out", str(made), "--dtype", "bfloat16", "--split", "val"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert (
        f"{made} was made with other settings (dtype was float32, now bfloat16; split was synthetic@1/train, now synthetic@1/val; split_id was"
        in told
    )
    assert "give another folder by --out" in told
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before


def test_other_weights_are_refused(arguments, made, wan_folder, tmp_path, capsys):
    other = shutil.copytree(wan_folder, tmp_path / "wan")
    (other / "tokenizer" / "tokenizer_config.json").write_text("{}")
    options = [str(other) if word == str(wan_folder) else word for word in arguments]
    assert main([*options, "--out", str(made)]) == 2
    assert "was made with other settings (text_encoder was " in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", ["vae", "text_encoder", "tokenizer"])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_a_part_that_is_not_there_is_named_in_one_sentence(arguments, wan_folder, tmp_path, capsys, name, how):
    other = tmp_path / "wan"
    for part in ("vae", "text_encoder", "tokenizer"):
        if part != name:
            shutil.copytree(wan_folder / part, other / part)
    if how == "empty":
        (other / name).mkdir()
    options = [str(other) if word == str(wan_folder) else word for word in arguments]
    assert main([*options, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert str(Path("wan") / name) in told
    assert "Wan2.2-TI2V-5B-Diffusers" in told
    assert "Traceback" not in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (["--size", "100", "96"], "height is 100: expected a multiple of 32, such as 96 or 128"),
        (["--preset", "wan22_5b"], "clips of synthetic have 25 frames, preset wan22_5b takes 49: give --preset nano"),
        (["--preset", "nanno"], "there is no preset 'nanno': expected one of wan22_5b, nano"),
        (["--limit", "0"], "--limit is 0, expected at least 1"),
        (["--split", "trian"], "unknown split of synthetic@1 'trian': did you mean train?"),
        (["--cameras", "all"], "synthetic has no cameras outside its splits: leave out --cameras all"),
    ],
)
def test_wrong_words_are_told(arguments, tmp_path, capsys, changed, reason):
    assert main([*arguments, "--out", str(tmp_path / "out"), *changed]) == 2
    assert reason in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()
