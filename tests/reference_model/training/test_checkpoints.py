"""Checkpoints: exact, complete or absent; the newest intact one is found, and failures leave earlier ones unchanged."""

import errno
import logging
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from tiny_training import SINGLE_PROCESS, open_tiny, read_curve, run, training_config, write_cache

from reference_model.training.checkpoints import (
    Checkpoint,
    CheckpointMetadata,
    delete_old_checkpoints,
    find_latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, cache):
    """Checkpoints of iterations 2 and 4."""
    out = tmp_path_factory.mktemp("run")
    run(out, training_config(4, save_every=2), cache)
    return out / "checkpoints"


@pytest.fixture
def folder(trained, tmp_path):
    """A copy to damage."""
    return Path(shutil.copytree(trained, tmp_path / "checkpoints"))


def test_a_checkpoint_restores_the_complete_state(folder):
    """Weights and both moments of the optimizer, bit for bit."""
    one, other = (open_tiny("ddp", training_config(4)) for _ in range(2))
    load_checkpoint(find_latest_checkpoint(folder), one, SINGLE_PROCESS)
    save_checkpoint(folder / "00000005", 5, one, SINGLE_PROCESS)
    found = find_latest_checkpoint(folder)
    assert (found.iteration, found.metadata.engine, found.metadata.processes) == (5, "ddp", 1)
    load_checkpoint(found, other, SINGLE_PROCESS)
    assert all(torch.equal(value, other.weights()[name]) for name, value in one.weights().items())
    states = [torch.load(folder / name / "state.pt")["optimizer"]["state"] for name in ("00000004", "00000005")]
    assert states[0].keys() == states[1].keys() and len(states[0]) == len(one.weights())
    assert all(torch.equal(states[0][i][m], states[1][i][m]) for i in states[0] for m in ("exp_avg", "exp_avg_sq"))
    assert states[0][0]["exp_avg_sq"].any() and states[0][0]["step"] == 4


def shorten(path):
    path.write_bytes(path.read_bytes()[:-1])


def edited(path):
    return path.read_text().replace('"processes": 1', '"processes": 2')


def with_older_schema(path):
    return path.read_text().replace("training-checkpoint@4", "training-checkpoint@3")


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: (c / "checkpoint.json").unlink(), "checkpoint.json"),
        (lambda c: (c / "checkpoint.json").write_text("{"), "not strict JSON"),
        (lambda c: (c / "checkpoint.json").write_text(edited(c / "checkpoint.json")), "its SHA-256 differs"),
        (
            lambda c: (c / "checkpoint.json").write_text(with_older_schema(c / "checkpoint.json")),
            "checkpoint.json: schema is 'hoibench/training-checkpoint@3', expected 'hoibench/training-checkpoint@4'",
        ),
        (lambda c: (c / "state.pt").unlink(), "state.pt"),
        (lambda c: shorten(c / "state.pt"), "bytes,"),
        (lambda c: lengthen(c / "state.pt"), "bytes,"),
    ],
)
def test_a_damaged_checkpoint_is_skipped_with_a_warning(folder, damage, message, caplog):
    damage(folder / "00000004")
    assert find_latest_checkpoint(folder).iteration == 2
    assert re.search("skipped the checkpoint .*00000004", caplog.text) and message in caplog.text


def test_unfinished_folders_are_not_checkpoints(folder, caplog):
    (folder / "00000004").rename(folder / ".unfinished-00000006")
    (folder / ".tmp-01234567-00000004").mkdir()  # about to be replaced
    assert find_latest_checkpoint(folder).iteration == 2 and not caplog.text
    delete_old_checkpoints(folder, 2, 2)
    assert [path.name for path in folder.iterdir()] == ["00000002"]


def test_a_checkpoint_is_synced_before_it_is_renamed(folder, monkeypatch):
    """All files and their folder first, so that after a power loss a renamed folder is complete; then the name."""
    new, before, after = folder / "00000006", set(), set()
    sync = os.fsync

    def recorded(descriptor):
        (after if new.exists() else before).add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    save_checkpoint(new, 6, open_tiny("ddp", training_config(4)), SINGLE_PROCESS)
    files = [path for path in new.rglob("*") if path.is_file()]
    assert len(files) >= 2 and {path.stat().st_ino for path in files} <= before
    assert new.stat().st_ino in before
    assert folder.stat().st_ino in after


def test_without_checkpoints_none_is_found(tmp_path):
    assert find_latest_checkpoint(tmp_path / "checkpoints") is None


def test_training_does_not_start_again_if_all_checkpoints_are_damaged(tmp_path, trained, cache):
    out = Path(shutil.copytree(trained.parent, tmp_path / "run"))
    for name in ("00000002", "00000004"):
        shorten(out / "checkpoints" / name / "state.pt")
    before = read_curve(out)
    message = (
        r"checkpoints has no intact checkpoint of this version \(found 00000002, 00000004\): delete them to start again"
    )
    with pytest.raises(ValueError, match=message):
        run(out, training_config(4, save_every=2), cache)
    assert read_curve(out) == before and len(before) == 4


def test_an_unreadable_checkpoint_is_an_error_and_not_skipped_as_damaged(folder):
    path = folder / "00000004" / CheckpointMetadata.FILE
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        find_latest_checkpoint(folder)


def test_only_the_newest_checkpoints_are_kept(tmp_path, cache):
    run(tmp_path, training_config(5, keep_checkpoints=2, save_every=2), cache)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["00000004", "00000005"]


def test_a_damaged_checkpoint_does_not_count_as_kept(tmp_path, trained, cache):
    out = Path(shutil.copytree(trained.parent, tmp_path / "run"))
    shorten(out / "checkpoints/00000004/state.pt")
    seen = []

    def progress(stage, done, total):
        seen.append(sorted(path.name for path in (out / "checkpoints").iterdir()))

    run(out, training_config(4, save_every=1, keep_checkpoints=1), cache, progress=progress)
    assert seen == [["00000003"], ["00000004"]]
    assert find_latest_checkpoint(out / "checkpoints").iteration == 4


def test_a_full_disk_leaves_the_old_checkpoint(folder):
    engine = open_tiny("ddp", training_config(4))
    engine.save = lambda where: torch.save(engine.weights(), "/dev/full")
    with pytest.raises(OSError, match="No space left") as raised:
        save_checkpoint(folder / "00000006", 6, engine, SINGLE_PROCESS)
    assert raised.value.errno == errno.ENOSPC
    assert sorted(path.name for path in folder.iterdir()) == ["00000002", "00000004"]
    assert find_latest_checkpoint(folder).iteration == 4


def test_unreadable_contents_are_reported(folder):
    path = folder / "00000004" / "state.pt"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(ValueError, match="cannot read .*00000004 .*: delete it"):
        load_checkpoint(find_latest_checkpoint(folder), open_tiny("ddp", training_config(4)), SINGLE_PROCESS)


def written_by_four(folder, engine):
    """Return a checkpoint written by four processes."""
    return Checkpoint(folder, CheckpointMetadata(iteration=4, engine=engine, processes=4))


def test_another_number_of_processes_resumes_with_a_warning(folder, monkeypatch, caplog):
    found = find_latest_checkpoint(folder)
    caplog.set_level(logging.WARNING)
    load_checkpoint(written_by_four(found.folder, "ddp"), open_tiny("ddp", training_config(4)), SINGLE_PROCESS)
    assert "was written by 4 processes, now there are 1: an iteration now takes 0.25 times as many clips" in caplog.text


def test_zero3_refuses_another_number_of_processes(folder):
    engine = open_tiny("ddp", training_config(4))
    engine.name = "zero3"
    with pytest.raises(ValueError, match="so start 4 again"):
        load_checkpoint(written_by_four(folder, "zero3"), engine, SINGLE_PROCESS)
