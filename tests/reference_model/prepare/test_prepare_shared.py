"""Whoever is killed or works beside another, the cache ends as if one process had made it undisturbed."""

import itertools
import random
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from dying_prepare import DIED
from fork_server import Forked, fork_call

from hoibench.store.locks import locked
from reference_model.cache.metadata import claim, read_origin
from reference_model.preparation import clips as prepare_clips
from reference_model.prepare import main


def encode(video):
    n, h, w = (len(video) - 1) // 4 + 1, video.shape[1] // 16, video.shape[2] // 16
    return torch.full((16, n, h, w), float(video.mean()))


def test_a_clip_that_another_process_holds_comes_last(job, shot, monkeypatch):
    monkeypatch.setattr(prepare_clips, "_load_encoder", lambda job: encode)
    claim(job.out, job.origin)
    told, ours, done = [], threading.Event(), threading.Event()

    def hold():
        with locked(job.out / "views" / "a" / ".lock", wait=False) as mine:
            assert mine
            ours.set()
            done.wait(30)

    def tell(outcome):
        told.append(outcome)
        if len(told) == 3:
            done.set()

    other = threading.Thread(target=hold)
    other.start()
    ours.wait(30)
    prepare_clips.prepare_clips(job, [shot("a"), shot("b")], tell)
    other.join()
    assert [(outcome.clip, outcome.status) for outcome in told] == [("b", "made")] * 3 + [("a", "made")] * 3


def test_what_another_process_made_meanwhile_is_kept(job, shot, monkeypatch):
    monkeypatch.setattr(prepare_clips, "_load_encoder", lambda job: encode)
    claim(job.out, job.origin)
    statuses = []

    def overtaken():
        prepare_clips.prepare_clips(job, [shot("b")], lambda outcome: None)
        return shot("a").load()

    first = prepare_clips.Shot("a", shot().views, shot().prompt, overtaken)
    prepare_clips.prepare_clips(
        job, [first, shot("b")], lambda outcome: statuses.append((outcome.clip, outcome.status))
    )
    assert statuses == [("a", "made")] * 3 + [("b", "kept")] * 3


def test_what_a_killed_writer_left_is_swept(job, shot, monkeypatch, tmp_path):
    monkeypatch.setattr(prepare_clips, "_load_encoder", lambda job: encode)
    job = replace(job, out=tmp_path / "killed")
    folder = job.out / "views" / "a" / "left"
    folder.mkdir(parents=True)
    (folder / ".tmp-01234567-x.safetensors").write_bytes(b"half")
    (job.out / ".tmp-01234567-cache.json").write_bytes(b"half")
    claim(job.out, job.origin)
    prepare_clips.prepare_clips(job, [shot("a")], lambda outcome: None)
    assert not list(job.out.rglob(".tmp-*"))
    assert read_origin(job.out) == job.origin


@pytest.fixture(scope="module")
def command(arguments, train_root, tmp_path_factory):
    """Start the command as a process of its own, two clips long; it generates the second one."""
    root = shutil.copytree(train_root, tmp_path_factory.mktemp("synthetic") / "root")
    words = [*arguments, "--root", str(root), "--limit", "2"]
    numbers = itertools.count()

    def start(out) -> Forked:
        told = out.with_name(f"{out.name}-told-{next(numbers)}")
        return fork_call("reference_model.prepare:main", [*words, "--out", str(out)], output=told)

    return start


def wait_for(path, process):
    """Wait until the file is there, or the process has ended."""
    while process.poll() is None and not path.is_file():
        time.sleep(0.01)


@pytest.fixture(scope="module")
def undisturbed(command, tmp_path_factory) -> tuple[Path, float]:
    """The cache that the command makes, and the seconds that it takes once it has begun the cache."""
    out = tmp_path_factory.mktemp("undisturbed") / "cache"
    process = command(out)
    wait_for(out / "cache.json", process)
    begun = time.monotonic()
    assert process.wait() == 0, process.told
    return out, time.monotonic() - begun


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(command, undisturbed, contents, tmp_path):
    (whole, seconds), out, rng, lengths = undisturbed, tmp_path / "killed", random.Random(0), []
    for number in range(6):
        process = command(out)
        wait_for(out / "cache.json", process)
        time.sleep(rng.uniform(number, number + 1) / 6 * 0.8 * seconds)
        process.kill()
        process.wait()
        lengths.append(len(contents(out)))
    assert lengths[0] < len(contents(whole))  # else nothing was killed
    assert command(out).wait() == 0
    assert contents(out) == contents(whole)


@pytest.mark.slow
def test_killed_before_any_file_gets_its_name_it_goes_on(arguments, made, contents, tmp_path):
    out, told = tmp_path / "out", tmp_path / "told"
    deaths = 0
    while True:  # each run dies at its second new file, so each leaves one whole and one half written
        done = fork_call("dying_prepare:main_dying_at", 1, [*arguments, "--out", str(out)], output=told)
        if done.wait() == 0:
            break
        assert done.poll() == DIED, done.told
        deaths += 1
        assert list(out.rglob(".tmp-*"))
    assert deaths == 5  # of six files: the record, two texts and three views
    assert main([*arguments, "--out", str(out)]) == 0
    assert contents(out) == contents(made)


@pytest.mark.slow
def test_two_at_once_do_no_harm(command, undisturbed, contents, tmp_path):
    both = [command(tmp_path / "both") for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert contents(tmp_path / "both") == contents(undisturbed[0])
