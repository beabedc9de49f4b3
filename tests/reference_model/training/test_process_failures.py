"""A failure of one of two processes ends both with a message."""

from pathlib import Path

import pytest
from started_trainings import read_reports, run_two, training_options
from tiny_training import read_curve, write_cache

pytestmark = pytest.mark.slow
ENGINES = ("ddp", "zero3")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def failed(tmp_path_factory, cache):
    """Folders of trainings that fail in one process, run one after another by the same two."""
    settings = {"save_every": 1, "iterations": 3}
    damaged = {
        engine: training_options(cache, tmp_path_factory.mktemp(engine), engine, settings, damaged_file=2)
        for engine in ENGINES
    }
    disk = training_options(cache, tmp_path_factory.mktemp("disk"), "ddp", settings, full_disk=True)
    for code, output in run_two(*damaged.values(), disk):
        assert code == 0, output[-3000:]
    return {name: Path(job["out"]) for name, job in {**damaged, "disk": disk}.items()}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_damaged_file_of_one_process_ends_both_with_its_message(failed, engine):
    out = failed[engine]
    one, other = (each["ending"] for each in read_reports(out))
    assert one == other and one.startswith("clip.safetensors is shorter than it was written: delete it and run python")
    assert len(read_curve(out)) == 2 and (out / "checkpoints/00000002").is_dir()


def test_a_full_disk_of_the_first_process_ends_both_with_its_message(failed):
    out = failed["disk"]
    one, other = (each["ending"] for each in read_reports(out))
    assert one == other and "No space left on device" in one and "checkpoints/00000001" in one
    assert not any((out / "checkpoints").iterdir())


@pytest.mark.parametrize("engine", ENGINES)
def test_out_of_memory_is_reported_by_one_process_and_its_loss_by_the_other(tmp_path, cache, engine):
    (code, output), (oom_code, oom_output) = run_two(
        training_options(cache, tmp_path, engine, {"save_every": 1}, out_of_memory=2)
    )
    assert (code, oom_code) == (1, 1)
    assert "error: out of memory (iteration 2, stage only, 64x96): set gradient_checkpointing" in oom_output
    assert "error: process 0: another process ended unexpectedly; its own message says why" in output
    assert "Traceback" not in output + oom_output
    assert (tmp_path / "checkpoints/00000002").is_dir()
