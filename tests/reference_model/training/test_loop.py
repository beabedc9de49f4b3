"""The loop: resuming is exact, NaN stops it with a word and harms nothing, signals end it in order."""

import dataclasses
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_training import TINY, curve, open_tiny, run, training, write_cache

from hoibench.errors import Crash
from reference_model.cache import LatentCache, LatentView
from reference_model.model import SyncMV4D
from reference_model.saved_model import save_model
from reference_model.training.data import TrainingData
from reference_model.training.engine import DataParallelEngine
from reference_model.training.loss_log import LossPoint
from reference_model.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache):
    """A training of 6 iterations that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder, training(6), cache) == "done"
    return folder


def weights(folder, iteration):
    return torch.load(folder / f"checkpoints/{iteration:08d}/state.pt")["model"]


def test_the_curve_has_every_loss_of_every_iteration(whole):
    points = curve(whole)
    assert [point["iteration"] for point in points] == list(range(6))
    for point in points:
        parts = ("video", "motion", "scale", "points", "chamfer")
        assert point["loss"] == pytest.approx(sum(point[name] for name in parts), rel=1e-6)
    assert [point["rate"] for point in points[:3]] == [5e-4, 1e-3, 1e-3]
    assert points[-1]["scale"] < points[0]["scale"]


def test_tensorboard_has_the_same_curve(whole):
    board = EventAccumulator(str(whole / "tensorboard")).Reload()
    events = board.Scalars("motion")
    assert [event.step for event in events] == list(range(6))
    assert [event.value for event in events] == pytest.approx([point["motion"] for point in curve(whole)])


def test_resuming_is_exact(whole, tmp_path, cache):
    assert run(tmp_path, training(6), cache, until=3) == "done"
    assert run(tmp_path, training(6), cache) == "done"
    assert curve(tmp_path) == curve(whole)
    ours, theirs = weights(tmp_path, 6), weights(whole, 6)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_half_written_checkpoint_costs_iterations_and_nothing_else(whole, tmp_path, cache, caplog):
    run(tmp_path, training(6, save_every=2), cache, until=4)
    (tmp_path / "checkpoints/00000004/state.pt").write_bytes(b"PK")
    run(tmp_path, training(6), cache)
    assert curve(tmp_path) == curve(whole) and "00000004 is not whole" in caplog.text


def test_a_loss_line_that_was_cut_off_is_made_again(whole, tmp_path, cache):
    run(tmp_path, training(6), cache, until=4)
    with (tmp_path / "losses.jsonl").open("a") as stream:
        stream.write('{"iteration": 4, "sta')
    run(tmp_path, training(6), cache)
    assert curve(tmp_path) == curve(whole)


def test_a_full_disk_ends_the_training_and_it_goes_on_from_the_last_checkpoint(whole, tmp_path, cache, monkeypatch):
    save = DataParallelEngine.save

    def on_a_full_disk(self, folder):
        if folder.name.endswith("00000004"):
            (folder / "begun").write_bytes(bytes(1000))
            torch.save(self.weights(), "/dev/full")
        save(self, folder)

    monkeypatch.setattr(DataParallelEngine, "save", on_a_full_disk)
    with pytest.raises(OSError, match=r"No space left on device: .*checkpoints/00000004"):
        run(tmp_path, training(6, save_every=2), cache)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["00000002"]
    monkeypatch.undo()
    assert run(tmp_path, training(6, save_every=2), cache) == "done"
    assert curve(tmp_path) == curve(whole)


def contents(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_training_that_is_at_its_end_is_left_alone(whole, cache):
    before = contents(whole)
    assert run(whole, training(6), cache) == "done"
    assert run(whole, training(6), cache, until=2) == "done"
    assert contents(whole) == before


def test_a_run_is_finished_when_its_model_is_there(tmp_path):
    folder = RunFolder(tmp_path)
    assert not folder.finished
    folder.model.mkdir()
    assert not folder.finished
    save_model(folder.model, SyncMV4D(TINY))
    assert folder.finished


NUMBERS = LossPoint.model_fields.keys() - {"iteration", "stage"}


@pytest.mark.parametrize("line", [b"\0", b'{"iteration": 3}', b"\xff\xfe", b"[3]"])
def test_a_damaged_line_in_the_midst_of_the_curve_is_named(tmp_path, line):
    good = LossPoint(stage="only", iteration=0, **dict.fromkeys(NUMBERS, 1.0)).to_line().encode()
    (tmp_path / "losses.jsonl").write_bytes(good + line + b"\n" + good)
    with pytest.raises(ValueError, match=r"losses.jsonl, line 2 is .*, expected a point of the loss curve: delete"):
        curve(tmp_path)


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text("")])
def test_checkpoints_whose_beginning_is_not_known_are_not_gone_on_from(tmp_path, cache, harm):
    run(tmp_path, training(6), cache, until=2)
    harm(tmp_path / "run.json")
    with pytest.raises(ValueError, match=r"run.json does not tell what the checkpoints beside it are of"):
        run(tmp_path, training(6, seed=5), cache)
    assert len(curve(tmp_path)) == 2


def test_sessions_are_written_down(tmp_path, cache):
    run(tmp_path, training(6), cache, until=2)
    run(tmp_path, training(6), cache, until=3)
    sessions = [json.loads(line) for line in (tmp_path / "sessions.jsonl").read_text().splitlines()]
    assert [(each["iteration"], each["processes"]) for each in sessions] == [(0, 1), (2, 1)]
    assert all(each["provenance"].keys() >= {"git", "command"} for each in sessions)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"learning_rate": 3e-3}, {"batch": 2}])
def test_going_on_with_another_configuration_is_refused(whole, cache, changes):
    before = (whole / "run.json").read_bytes()
    (name, value) = next(iter(changes.items()))
    with pytest.raises(ValueError, match=rf"training\.{name} was .*, now {value}"):
        run(whole, training(6, **changes), cache)
    assert (whole / "run.json").read_bytes() == before


def test_what_changes_no_number_may_change(tmp_path, cache):
    run(tmp_path, training(6), cache, until=2)
    run(tmp_path, training(6, save_every=3, keep=5), cache, until=3)


def test_another_model_or_cache_is_refused(whole):
    folder = RunFolder(whole)
    other = dataclasses.replace(TINY, flow=dataclasses.replace(TINY.flow, training_shift=2.0))
    with pytest.raises(
        ValueError, match=r"model.flow.training_shift was 1.0, now 2.0; caches.64x96 was .*, now another"
    ):
        folder.claim(other, training(6), "ddp", {"64x96": "another"}, "random")


def nan_in(clip, monkeypatch):
    """Make the motion of one clip NaN."""
    load = LatentCache.load

    def spoiled(self, name, view) -> LatentView:
        loaded = load(self, name, view)
        return dataclasses.replace(loaded, z_motion=loaded.z_motion * torch.nan) if name == clip else loaded

    monkeypatch.setattr(LatentCache, "load", spoiled)


def test_nan_stops_the_training_and_says_where(tmp_path, cache, monkeypatch):
    data = TrainingData(cache, TINY, seed=0)
    at = next(
        i
        for i in range(2, 40)
        if data.choices(i, 1, 0, 1)[0].clip not in {data.choices(j, 1, 0, 1)[0].clip for j in range(i)}
    )
    clip = data.choices(at, 1, 0, 1)[0].clip
    nan_in(clip, monkeypatch)
    with pytest.raises(
        Crash, match=rf"iteration {at}, stage only: NaN or infinite video, motion.* of {clip}\."
    ) as raised:
        run(tmp_path, training(8, save_every=1, points_learning_rate=5e-4, clip=0.7), cache)
    assert f"failed-{at:08d}" in str(raised.value)
    assert "a lower learning rate (it was 0.001, of the points aligner 0.0005) or clip (0.7)" in str(raised.value)
    assert (tmp_path / f"failed-{at:08d}/state.pt").is_file()
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir())[-1] == f"{at:08d}"
    assert all(value.isfinite().all() for value in weights(tmp_path, at).values())


def test_an_infinite_gradient_stops_the_training_before_it_is_taken(tmp_path, cache, monkeypatch):
    step = DataParallelEngine.step
    monkeypatch.setattr(DataParallelEngine, "step", lambda self, loss, rate: step(self, loss * 1e38 * 1e38, rate))
    with pytest.raises(Crash, match="iteration 0, stage only: NaN or infinite gradient of clip"):
        run(tmp_path, training(4), cache)
    start, failed = open_tiny("ddp", training(4)).weights(), torch.load(tmp_path / "failed-00000000/state.pt")["model"]
    assert all(torch.equal(value, failed[name]) for name, value in start.items())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_iteration_with_a_checkpoint(whole, tmp_path, cache, number):
    def progress(what, done, total):
        if done == 3:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    assert run(tmp_path, training(6), cache, progress=progress) == "stopped"
    assert signal.getsignal(number) == before
    assert len(curve(tmp_path)) == 4 and (tmp_path / "checkpoints/00000004").is_dir()
    assert run(tmp_path, training(6), cache) == "done"
    assert curve(tmp_path) == curve(whole)


@pytest.mark.parametrize("changes", [{"precision": "bf16"}, {"gradient_checkpointing": True}])
def test_precision_and_checkpointing_change_little_or_nothing(whole, tmp_path, cache, changes):
    """Checkpointing computes the same anew; bfloat16 has 8 bits, and none of them is spent on geometry."""
    run(tmp_path, training(6, **changes), cache, until=2)
    for ours, theirs in zip(curve(tmp_path), curve(whole)[:2], strict=True):
        for name in ("video", "motion", "points", "chamfer"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-6 if "gradient_checkpointing" in changes else 1e-2)
    same = curve(tmp_path) == curve(whole)[:2]
    assert same == ("gradient_checkpointing" in changes)
