"""The loop: resuming is exact, NaN stops it and leaves checkpoints unchanged, signals stop it with a checkpoint."""

import dataclasses
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_training import TINY, open_tiny, read_curve, run, settings_of, training_config, write_cache

from hoibench.errors import Crash
from reference_model.cache import LatentCache, LatentView
from reference_model.loading.saved_model import save_model
from reference_model.model import SyncMV4D
from reference_model.training.data import TrainingData
from reference_model.training.engine import DataParallelEngine
from reference_model.training.loss_log import LossEntry
from reference_model.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, cache):
    """An uninterrupted training of 6 iterations."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert run(folder, training_config(6), cache) == "done"
    return folder


def weights(folder, iteration):
    return torch.load(folder / f"checkpoints/{iteration:08d}/state.pt")["model"]


def test_the_curve_has_every_loss_of_every_iteration(uninterrupted):
    entries = read_curve(uninterrupted)
    assert [entry["iteration"] for entry in entries] == list(range(6))
    for entry in entries:
        parts = ("video", "motion", "depth_range", "points", "chamfer")
        assert entry["loss"] == pytest.approx(sum(entry[name] for name in parts), rel=1e-6)
    assert [entry["learning_rate"] for entry in entries[:3]] == [5e-4, 1e-3, 1e-3]
    assert entries[-1]["depth_range"] < entries[0]["depth_range"]


def test_tensorboard_has_the_same_curve(uninterrupted):
    board = EventAccumulator(str(uninterrupted / "tensorboard")).Reload()
    events = board.Scalars("motion")
    assert [event.step for event in events] == list(range(6))
    assert [event.value for event in events] == pytest.approx([entry["motion"] for entry in read_curve(uninterrupted)])


def test_resuming_is_exact(uninterrupted, tmp_path, cache):
    assert run(tmp_path, training_config(6), cache, until=3) == "done"
    assert run(tmp_path, training_config(6), cache) == "done"
    assert read_curve(tmp_path) == read_curve(uninterrupted)
    ours, theirs = weights(tmp_path, 6), weights(uninterrupted, 6)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_damaged_checkpoint_costs_only_iterations(uninterrupted, tmp_path, cache, caplog):
    run(tmp_path, training_config(6, save_every=2), cache, until=4)
    (tmp_path / "checkpoints/00000004/state.pt").write_bytes(b"PK")
    run(tmp_path, training_config(6), cache)
    assert read_curve(tmp_path) == read_curve(uninterrupted) and "skipped the checkpoint" in caplog.text


def test_an_unfinished_line_of_the_curve_is_replaced(uninterrupted, tmp_path, cache):
    run(tmp_path, training_config(6), cache, until=4)
    with (tmp_path / "losses.jsonl").open("a") as stream:
        stream.write('{"iteration": 4, "sta')
    run(tmp_path, training_config(6), cache)
    assert read_curve(tmp_path) == read_curve(uninterrupted)


def test_after_a_full_disk_training_resumes_from_the_last_checkpoint(uninterrupted, tmp_path, cache, monkeypatch):
    save = DataParallelEngine.save

    def on_a_full_disk(self, folder):
        if folder.name.endswith("00000004"):
            (folder / "unfinished").write_bytes(bytes(1000))
            torch.save(self.weights(), "/dev/full")
        save(self, folder)

    monkeypatch.setattr(DataParallelEngine, "save", on_a_full_disk)
    with pytest.raises(OSError, match=r"No space left on device: .*checkpoints/00000004"):
        run(tmp_path, training_config(6, save_every=2), cache)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["00000002"]
    monkeypatch.undo()
    assert run(tmp_path, training_config(6, save_every=2), cache) == "done"
    assert read_curve(tmp_path) == read_curve(uninterrupted)


def contents(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_training_at_its_end_changes_no_file(uninterrupted, cache):
    before = contents(uninterrupted)
    assert run(uninterrupted, training_config(6), cache) == "done"
    with pytest.raises(ValueError, match=r"--iterations is 2, but .* has done 6 already: give at least 6"):
        run(uninterrupted, training_config(6), cache, until=2)
    assert contents(uninterrupted) == before


def test_a_run_with_a_model_is_finished(tmp_path):
    folder = RunFolder(tmp_path)
    assert not folder.is_finished
    folder.model.mkdir()
    assert not folder.is_finished
    save_model(folder.model, SyncMV4D(TINY))
    assert folder.is_finished


NUMBERS = LossEntry.model_fields.keys() - {"iteration", "stage"}


@pytest.mark.parametrize("line", [b"\0", b'{"iteration": 3}', b"\xff\xfe", b"[3]"])
def test_a_damaged_line_within_the_curve_is_named(tmp_path, line):
    good = LossEntry(stage="only", iteration=0, **dict.fromkeys(NUMBERS, 1.0)).to_line().encode()
    (tmp_path / "losses.jsonl").write_bytes(good + line + b"\n" + good)
    with pytest.raises(ValueError, match=r"losses.jsonl, line 2 is .*, expected an entry of the loss curve: delete"):
        read_curve(tmp_path)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("")])
def test_checkpoints_without_settings_are_not_resumed(tmp_path, cache, damage):
    run(tmp_path, training_config(6), cache, until=2)
    damage(tmp_path / "run.json")
    with pytest.raises(ValueError, match=r"cannot read .*run.json, the settings of the checkpoints there"):
        run(tmp_path, training_config(6, seed=5), cache)
    assert len(read_curve(tmp_path)) == 2


def test_sessions_are_recorded(tmp_path, cache):
    run(tmp_path, training_config(6), cache, until=2)
    run(tmp_path, training_config(6), cache, until=3)
    sessions = [json.loads(line) for line in (tmp_path / "sessions.jsonl").read_text().splitlines()]
    assert [(each["iteration"], each["processes"]) for each in sessions] == [(0, 1), (2, 1)]
    assert all(each["provenance"].keys() >= {"git", "command"} for each in sessions)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"learning_rate": 3e-3}, {"batch_size": 2}])
def test_resuming_with_another_configuration_is_refused(uninterrupted, cache, changes):
    before = (uninterrupted / "run.json").read_bytes()
    (name, value) = next(iter(changes.items()))
    with pytest.raises(ValueError, match=rf"training\.{name} was .*, now {value}"):
        run(uninterrupted, training_config(6, **changes), cache)
    assert (uninterrupted / "run.json").read_bytes() == before


def test_settings_that_change_no_number_may_change(tmp_path, cache):
    run(tmp_path, training_config(6), cache, until=2)
    run(tmp_path, training_config(6, save_every=3, keep_checkpoints=5), cache, until=3)


def test_another_model_or_cache_is_refused(uninterrupted, cache):
    folder = RunFolder(uninterrupted)
    other = dataclasses.replace(TINY, flow=dataclasses.replace(TINY.flow, training_shift=2.0))
    settings = settings_of(training_config(6), cache)
    with pytest.raises(
        ValueError, match=r"model.flow.training_shift was 1.0, now 2.0; caches.64x96 was .*, now another"
    ):
        folder.ensure_settings(settings.model_copy(update={"model": other, "caches": {"64x96": "another"}}))


def patch_nan(clip, monkeypatch):
    """Make the motion of one clip NaN."""
    load = LatentCache.load

    def load_nan(self, name, view) -> LatentView:
        loaded = load(self, name, view)
        return dataclasses.replace(loaded, z_motion=loaded.z_motion * torch.nan) if name == clip else loaded

    monkeypatch.setattr(LatentCache, "load", load_nan)


def test_nan_stops_the_training_and_names_the_clip(tmp_path, cache, monkeypatch):
    data = TrainingData(cache, TINY, seed=0)
    at = next(
        i
        for i in range(2, 40)
        if data.choose_samples(i, 1, 0, 1)[0].clip not in {data.choose_samples(j, 1, 0, 1)[0].clip for j in range(i)}
    )
    clip = data.choose_samples(at, 1, 0, 1)[0].clip
    patch_nan(clip, monkeypatch)
    with pytest.raises(
        Crash, match=rf"iteration {at}, stage only: NaN or infinite video, motion.* of {clip}\."
    ) as raised:
        run(tmp_path, training_config(8, save_every=1, dpa_learning_rate=5e-4, max_grad_norm=0.7), cache)
    assert f"failed-{at:08d}" in str(raised.value)
    assert "a lower learning rate (now 0.001, of the points aligner 0.0005) or max_grad_norm (0.7)" in str(raised.value)
    assert (tmp_path / f"failed-{at:08d}/state.pt").is_file()
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir())[-1] == f"{at:08d}"
    assert all(value.isfinite().all() for value in weights(tmp_path, at).values())


def test_an_infinite_gradient_stops_the_training_before_the_update(tmp_path, cache, monkeypatch):
    step = DataParallelEngine.step
    monkeypatch.setattr(DataParallelEngine, "step", lambda self, loss, factor: step(self, loss * 1e38 * 1e38, factor))
    with pytest.raises(Crash, match="iteration 0, stage only: NaN or infinite gradient of clip"):
        run(tmp_path, training_config(4), cache)
    start, failed = (
        open_tiny("ddp", training_config(4)).weights(),
        torch.load(tmp_path / "failed-00000000/state.pt")["model"],
    )
    assert all(torch.equal(value, failed[name]) for name, value in start.items())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_after_the_iteration_with_a_checkpoint(uninterrupted, tmp_path, cache, number):
    def progress(stage, done, total):
        if done == 3:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    assert run(tmp_path, training_config(6), cache, progress=progress) == "stopped"
    assert signal.getsignal(number) == before
    assert len(read_curve(tmp_path)) == 4 and (tmp_path / "checkpoints/00000004").is_dir()
    assert run(tmp_path, training_config(6), cache) == "done"
    assert read_curve(tmp_path) == read_curve(uninterrupted)


@pytest.mark.parametrize("changes", [{"precision": "bf16"}, {"gradient_checkpointing": True}])
def test_precision_changes_losses_little_and_checkpointing_does_not(uninterrupted, tmp_path, cache, changes):
    """Checkpointing recomputes the same numbers; bfloat16 has 8 bits, and geometry stays in float32."""
    run(tmp_path, training_config(6, **changes), cache, until=2)
    for ours, theirs in zip(read_curve(tmp_path), read_curve(uninterrupted)[:2], strict=True):
        for name in ("video", "motion", "points", "chamfer"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-6 if "gradient_checkpointing" in changes else 1e-2)
    same = read_curve(tmp_path) == read_curve(uninterrupted)[:2]
    assert same == ("gradient_checkpointing" in changes)
