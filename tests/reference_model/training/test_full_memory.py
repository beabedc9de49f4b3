"""Full memory ends a training with one sentence, and what that sentence advises can be done."""

import dataclasses

import pytest
import torch
from tiny_training import TINY, curve, open_tiny, run, training, write_cache

from hoibench.cli.exit_codes import to_exit_code
from hoibench.errors import Crash
from reference_model.model import SyncMV4D
from reference_model.training import engine
from reference_model.training.engine import DataParallelEngine
from reference_model.training.memory import of_iteration


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


def full(*_):
    raise torch.OutOfMemoryError("CUDA out of memory")


def full_on_cpu(*_):
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("fault", [full, full_on_cpu])
def test_full_memory_is_one_sentence(tmp_path, cache, monkeypatch, capsys, caplog, fault):
    monkeypatch.setattr(SyncMV4D, "forward", fault)
    assert to_exit_code(lambda _: run(tmp_path, training(4, batch=2), cache), []) == 1
    assert capsys.readouterr().err == (
        "error: memory is full (iteration 0, stage only, 64x96): set gradient_checkpointing to true and go on, or begin in another --out"
        " with batch 1, a smaller size of the stage, precision bf16 or --engine zero3 on more processes; the last checkpoint is as it was\n"
    )
    assert not caplog.text


def test_with_gradient_checkpointing_the_same_training_goes_on(tmp_path, cache, monkeypatch):
    whole, out = tmp_path / "whole", tmp_path / "run"
    run(whole, training(4), cache)
    run(out, training(4), cache, until=2)
    with monkeypatch.context() as patched:
        patched.setattr(SyncMV4D, "forward", full)
        with pytest.raises(Crash, match="iteration 2.* set gradient_checkpointing to true and go on"):
            run(out, training(4), cache)
    assert run(out, training(4, gradient_checkpointing=True), cache) == "done"
    assert curve(out) == curve(whole)


@pytest.mark.parametrize(
    ("stage", "gradient", "advises"), [("joint", "full", True), ("joint", "none", False), ("warmup", "full", False)]
)
def test_gradients_through_the_decoder_are_named_where_there_are_any(stage, gradient, advises):
    model = dataclasses.replace(TINY, cycle=dataclasses.replace(TINY.cycle, gradient=gradient))
    config = training(stage=stage, gradient_checkpointing=True, precision="bf16")
    told = of_iteration(model, config, config.stages[0])
    assert ("cycle.gradient none" in told) == advises
    assert "checkpointing" not in told and "bf16" not in told and "batch" not in told


def test_an_engine_that_does_not_fit_is_told(monkeypatch):
    monkeypatch.setattr(engine, "optimizer_of", full)
    with pytest.raises(
        Crash, match=r"memory is full \(the model and its optimizer\): begin .* zero3 on more processes"
    ):
        open_tiny("ddp", training(4))


def test_a_checkpoint_that_does_not_fit_is_not_called_unreadable(tmp_path, cache, monkeypatch):
    run(tmp_path, training(4), cache, until=1)
    monkeypatch.setattr(DataParallelEngine, "load", full)
    with pytest.raises(Crash, match=r"memory is full \(reading .*00000001\): begin .* zero3 on more processes"):
        run(tmp_path, training(4), cache)


def test_other_errors_are_not_taken_for_full_memory(tmp_path, cache, monkeypatch):
    def broken(*_):
        raise RuntimeError("shapes")

    monkeypatch.setattr(SyncMV4D, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        run(tmp_path, training(4), cache)
