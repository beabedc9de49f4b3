"""An out-of-memory error is one sentence with a hint, and the hint works."""

import dataclasses

import pytest
import torch
from tiny_training import TINY, open_tiny, read_curve, run, training_config, write_cache

from hoibench.cli.exit_codes import to_exit_code
from hoibench.errors import Crash
from reference_model.model import SyncMV4D
from reference_model.training import engine
from reference_model.training.engine import DataParallelEngine
from reference_model.training.out_of_memory import step_hint


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


def full(*_):
    raise torch.OutOfMemoryError("CUDA out of memory")


def full_on_cpu(*_):
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("fault", [full, full_on_cpu])
def test_out_of_memory_is_one_sentence(tmp_path, cache, monkeypatch, capsys, caplog, fault):
    monkeypatch.setattr(SyncMV4D, "forward", fault)
    assert to_exit_code(lambda _: run(tmp_path, training_config(4, batch_size=2), cache), []) == 1
    assert capsys.readouterr().err == (
        "error: out of memory (iteration 0, stage only, 64x96): set gradient_checkpointing to true and resume, or start in another --out"
        " with batch_size 1, a smaller size of the stage, precision bf16 or --engine zero3 on more processes; the last checkpoint is unchanged\n"
    )
    assert not caplog.text


def test_the_training_resumes_with_gradient_checkpointing(tmp_path, cache, monkeypatch):
    uninterrupted, out = tmp_path / "uninterrupted", tmp_path / "run"
    run(uninterrupted, training_config(4), cache)
    run(out, training_config(4), cache, until=2)
    with monkeypatch.context() as patched:
        patched.setattr(SyncMV4D, "forward", full)
        with pytest.raises(Crash, match="iteration 2.* set gradient_checkpointing to true and resume"):
            run(out, training_config(4), cache)
    assert run(out, training_config(4, gradient_checkpointing=True), cache) == "done"
    assert read_curve(out) == read_curve(uninterrupted)


@pytest.mark.parametrize(
    ("objective", "gradient", "is_named"),
    [("joint", "full", True), ("joint", "none", False), ("warmup", "full", False)],
)
def test_the_hint_names_decoder_gradients_only_if_there_are_any(objective, gradient, is_named):
    model = dataclasses.replace(TINY, cycle=dataclasses.replace(TINY.cycle, gradient=gradient))
    config = training_config(objective=objective, gradient_checkpointing=True, precision="bf16")
    hint = step_hint(model, config, config.stages[0])
    assert ("cycle.gradient none" in hint) == is_named
    assert "checkpointing" not in hint and "bf16" not in hint and "batch" not in hint


def test_an_engine_that_does_not_fit_is_reported(monkeypatch):
    monkeypatch.setattr(engine, "build_optimizer", full)
    with pytest.raises(Crash, match=r"out of memory \(the model and its optimizer\): start .* zero3 on more processes"):
        open_tiny("ddp", training_config(4))


def test_a_checkpoint_that_does_not_fit_is_not_called_unreadable(tmp_path, cache, monkeypatch):
    run(tmp_path, training_config(4), cache, until=1)
    monkeypatch.setattr(DataParallelEngine, "load", full)
    with pytest.raises(Crash, match=r"out of memory \(reading .*00000001\): start .* zero3 on more processes"):
        run(tmp_path, training_config(4), cache)


def test_other_errors_are_not_taken_for_out_of_memory(tmp_path, cache, monkeypatch):
    def fail(*_):
        raise RuntimeError("shapes")

    monkeypatch.setattr(SyncMV4D, "forward", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        run(tmp_path, training_config(4), cache)
