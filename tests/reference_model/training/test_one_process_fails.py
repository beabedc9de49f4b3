"""What ends one of two processes ends both with a sentence, whether the other can be told in time or not."""

from pathlib import Path

import pytest
from started_trainings import asked, seen, together
from tiny_training import curve, write_cache

pytestmark = pytest.mark.slow
ENGINES = ("ddp", "zero3")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def failed(tmp_path_factory, cache):
    """Trainings that fail in one of the processes, one after another in the same two; the folders."""
    settings = {"save_every": 1, "iterations": 3}
    damaged = {engine: asked(cache, tmp_path_factory.mktemp(engine), engine, settings, damaged=2) for engine in ENGINES}
    disk = asked(cache, tmp_path_factory.mktemp("disk"), "ddp", settings, full_disk=True)
    for code, told in together(*damaged.values(), disk):
        assert code == 0, told[-3000:]
    return {name: Path(job["out"]) for name, job in {**damaged, "disk": disk}.items()}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_damaged_file_that_one_reads_ends_both_with_its_sentence(failed, engine):
    out = failed[engine]
    one, other = (each["ending"] for each in seen(out))
    assert one == other and one.startswith("clip.safetensors is shorter than it was written: delete it and run python")
    assert len(curve(out)) == 2 and (out / "checkpoints/00000002").is_dir()


def test_a_full_disk_of_the_first_ends_both_with_its_sentence(failed):
    out = failed["disk"]
    one, other = (each["ending"] for each in seen(out))
    assert one == other and "No space left on device" in one and "checkpoints/00000001" in one
    assert not any((out / "checkpoints").iterdir())


@pytest.mark.parametrize("engine", ENGINES)
def test_full_memory_of_one_is_told_by_it_and_the_other_says_that_it_was_lost(tmp_path, cache, engine):
    (code, told), (full_code, full) = together(asked(cache, tmp_path, engine, {"save_every": 1}, full_memory=2))
    assert (code, full_code) == (1, 1)
    assert "error: memory is full (iteration 2, stage only, 64x96): set gradient_checkpointing" in full
    assert "error: process 0 lost another one, which ended before it: the message of that one says why" in told
    assert "Traceback" not in told + full
    assert (tmp_path / "checkpoints/00000002").is_dir()
