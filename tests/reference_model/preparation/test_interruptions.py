"""After interruptions and with several processes, the cache equals that of one uninterrupted process."""

import itertools
import random
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from fork_server import Forked, fork_call
from killed_prepare import EXIT_KILLED

from hoibench.store.locks import locked
from reference_model.cache.settings import ensure_cache_settings, read_settings
from reference_model.cycle.track_codec import Autoencoders
from reference_model.preparation.clips import prepare_clips
from reference_model.preparation.job import PreparationJob
from reference_model.preparation.view_groups import ViewGroup
from reference_model.prepare import main


def encode(video):
    n, h, w = (len(video) - 1) // 4 + 1, video.shape[1] // 16, video.shape[2] // 16
    return torch.full((16, n, h, w), float(video.mean()))


def test_a_clip_that_another_process_has_locked_comes_last(job, view_group, monkeypatch):
    monkeypatch.setattr(
        PreparationJob, "load_autoencoders", lambda job: Autoencoders(*[SimpleNamespace(encode=encode)] * 2)
    )
    ensure_cache_settings(job.folder, job.settings)
    results, is_locked, done = [], threading.Event(), threading.Event()

    def lock_clip():
        with locked(job.folder / "views" / "a" / ".lock", wait=False) as is_ours:
            assert is_ours
            is_locked.set()
            done.wait(30)

    def on_result(result):
        results.append(result)
        if len(results) == 3:
            done.set()

    other = threading.Thread(target=lock_clip)
    other.start()
    is_locked.wait(30)
    prepare_clips(job, [view_group("a"), view_group("b")], on_result)
    other.join()
    assert [(result.clip, result.status) for result in results] == [("b", "created")] * 3 + [("a", "created")] * 3


def test_a_clip_that_another_process_created_meanwhile_is_skipped(job, view_group, monkeypatch):
    monkeypatch.setattr(
        PreparationJob, "load_autoencoders", lambda job: Autoencoders(*[SimpleNamespace(encode=encode)] * 2)
    )
    ensure_cache_settings(job.folder, job.settings)
    statuses = []

    def overtaken():
        prepare_clips(job, [view_group("b")], lambda result: None)
        return view_group("a").load()

    first = ViewGroup("a", view_group().views, view_group().prompt, overtaken)
    prepare_clips(job, [first, view_group("b")], lambda result: statuses.append((result.clip, result.status)))
    assert statuses == [("a", "created")] * 3 + [("b", "skipped")] * 3


def test_temporary_files_of_a_killed_process_are_removed(job, view_group, monkeypatch, tmp_path):
    monkeypatch.setattr(
        PreparationJob, "load_autoencoders", lambda job: Autoencoders(*[SimpleNamespace(encode=encode)] * 2)
    )
    job = replace(job, folder=tmp_path / "killed")
    folder = job.folder / "views" / "a" / "left"
    folder.mkdir(parents=True)
    (folder / ".tmp-01234567-x.safetensors").write_bytes(b"half")
    (job.folder / ".tmp-01234567-cache.json").write_bytes(b"half")
    ensure_cache_settings(job.folder, job.settings)
    prepare_clips(job, [view_group("a")], lambda result: None)
    assert not list(job.folder.rglob(".tmp-*"))
    assert read_settings(job.folder) == job.settings


@pytest.fixture(scope="module")
def command(arguments, train_root, tmp_path_factory):
    """Function that starts the command on two clips in a separate process; it generates the second one."""
    root = shutil.copytree(train_root, tmp_path_factory.mktemp("synthetic") / "root")
    options = [*arguments, "--root", str(root), "--limit", "2"]
    numbers = itertools.count()

    def start(out) -> Forked:
        output = out.with_name(f"{out.name}-output-{next(numbers)}")
        return fork_call("reference_model.prepare:main", [*options, "--out", str(out)], output=output)

    return start


def wait_for(path, process):
    """Wait until a file exists or the process has ended."""
    while process.poll() is None and not path.is_file():
        time.sleep(0.01)


@pytest.fixture(scope="module")
def undisturbed(command, tmp_path_factory) -> tuple[Path, float]:
    """The cache of an uninterrupted process, and the seconds that it takes from the first file."""
    out = tmp_path_factory.mktemp("undisturbed") / "cache"
    process = command(out)
    wait_for(out / "cache.json", process)
    start = time.monotonic()
    assert process.wait() == 0, process.output_text
    return out, time.monotonic() - start


@pytest.mark.slow
def test_preparation_resumes_after_a_kill_at_any_time(command, undisturbed, contents, tmp_path):
    (complete, seconds), out, rng, lengths = undisturbed, tmp_path / "killed", random.Random(0), []
    for number in range(6):
        process = command(out)
        wait_for(out / "cache.json", process)
        time.sleep(rng.uniform(number, number + 1) / 6 * 0.8 * seconds)
        process.kill()
        process.wait()
        lengths.append(len(contents(out)))
    assert lengths[0] < len(contents(complete))  # a kill had an effect
    assert command(out).wait() == 0
    assert contents(out) == contents(complete)


@pytest.mark.slow
def test_preparation_resumes_after_a_kill_before_any_rename(arguments, prepared_cache, contents, tmp_path):
    out, output = tmp_path / "out", tmp_path / "output"
    deaths = 0
    while True:  # each run dies at its second new file: one is complete, one unfinished
        done = fork_call("killed_prepare:main_killed_at_rename", 1, [*arguments, "--out", str(out)], output=output)
        if done.wait() == 0:
            break
        assert done.poll() == EXIT_KILLED, done.output_text
        deaths += 1
        assert list(out.rglob(".tmp-*"))
    assert deaths == 5  # of six files: the settings, two texts and three views
    assert main([*arguments, "--out", str(out)]) == 0
    assert contents(out) == contents(prepared_cache)


@pytest.mark.slow
def test_two_processes_share_a_folder(command, undisturbed, contents, tmp_path):
    both = [command(tmp_path / "both") for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert contents(tmp_path / "both") == contents(undisturbed[0])
