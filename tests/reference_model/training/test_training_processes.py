"""Real processes: killed at any point and started again, or two that train together on either engine."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_training import TINY, NoAutoencoder, curve, open_tiny, training, write_cache

from reference_model.cycle.batch import draw
from reference_model.training.data import TrainingData
from reference_model.training.iteration import weighted
from reference_model.training.seeds import generator

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[2] / "support" / "training_process.py"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


def start(cache, out, asked, rank=0, size=1, port=0):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    if size > 1:
        environment |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
    command = [sys.executable, str(SCRIPT), str(cache.folder), str(out), json.dumps(asked)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(process):
    told, _ = process.communicate(timeout=240)
    return process.returncode, told


def together(cache, out, asked, size=2):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [start(cache, out, asked, rank, size, port) for rank in range(size)]
    return [ended(process) for process in processes]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache):
    """Seven iterations that nothing stopped, in a process of their own."""
    out = tmp_path_factory.mktemp("whole")
    assert ended(start(cache, out, {"engine": "ddp", "training": {"iterations": 7}}))[0] == 0
    return curve(out)


@pytest.mark.parametrize("in_save", [False, True])
def test_kill_and_resume_gives_the_same_curve_bit_for_bit(tmp_path, cache, whole, in_save):
    asked = {"engine": "ddp", "training": {"iterations": 7, "save_every": 2}}
    code, _ = ended(start(cache, tmp_path, asked | {"kill_after": 3 if in_save else 5, "kill_in_save": in_save}))
    assert code == -signal.SIGKILL
    # Killed after the fifth iteration, or in the checkpoint after the fourth.
    there = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert there == ([".unfinished-00000004", "00000002"] if in_save else ["00000002", "00000004"])
    assert ended(start(cache, tmp_path, asked))[0] == 0
    assert curve(tmp_path) == whole
    sessions = [json.loads(line)["iteration"] for line in (tmp_path / "sessions.jsonl").read_text().splitlines()]
    assert sessions == [0, 2 if in_save else 4]


def test_a_second_signal_ends_it_at_once(tmp_path, cache):
    process = start(cache, tmp_path, {"engine": "ddp", "training": {"iterations": 7}, "slow": 30})
    deadline = time.monotonic() + 120
    while not (tmp_path / "losses.jsonl").is_file() or not (tmp_path / "losses.jsonl").read_text():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    time.sleep(1)  # into the pause between iterations
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)  # as launchers repeat it
    time.sleep(2.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 128 + signal.SIGTERM
    assert not (tmp_path / "checkpoints").exists()


@pytest.fixture(scope="module")
def two(tmp_path_factory, cache):
    """Five iterations by two processes on either engine; the folders."""
    folders = {}
    for engine in ("ddp", "zero3"):
        folders[engine] = tmp_path_factory.mktemp(engine)
        for code, told in together(cache, folders[engine], {"engine": engine}):
            assert code == 0, told[-3000:]
    return folders


@pytest.mark.parametrize("engine", ["ddp", "zero3"])
def test_two_processes_take_different_clips(two, engine):
    seen = [json.loads((two[engine] / f"rank{rank}.json").read_text()) for rank in range(2)]
    assert [(each["world_size"], each["rank"]) for each in seen] == [(2, 0), (2, 1)]
    assert len(seen[0]["clips"]) == 5
    assert all(one != other for one, other in zip(seen[0]["clips"], seen[1]["clips"], strict=True))


LOSSES = ("loss", "video", "motion", "scale", "points", "chamfer", "gradient")


def numbers(points):
    return torch.tensor([[point[name] for name in LOSSES] for point in points])


def test_zero3_and_ddp_give_the_same_losses(two):
    ddp, zero3 = (numbers(curve(two[engine])) for engine in ("ddp", "zero3"))
    assert len(ddp) == 5
    torch.testing.assert_close(zero3, ddp, rtol=1e-4, atol=1e-4)
    assert (ddp[1:] - ddp[:-1]).abs().min(dim=0).values.min() > 1e-4  # which they would not be by standing still


def test_two_processes_are_one_process_with_both_their_batches(two, cache):
    config = training()
    engine, data, means = open_tiny("ddp", config), TrainingData(cache, TINY, seed=config.seed), []
    for iteration in range(5):
        both = []
        for rank in range(2):
            batch = data.sample(iteration, 1, rank, 2).batch
            own, shared = generator(config.seed, "noise", iteration, rank, 2), generator(config.seed, "coin", iteration)
            draws = draw(batch, TINY, own, shared)
            both.append(engine.losses(batch, draws, NoAutoencoder(), "apart"))
        total = torch.stack([weighted(losses, config.weights) for losses in both]).mean()
        mean = [float(torch.stack(each).mean().detach()) for each in zip(*both, strict=True)]
        means.append([float(total.detach()), *mean[:5], engine.step(total, config.rate(iteration))])
    torch.testing.assert_close(numbers(curve(two["ddp"])), torch.tensor(means), rtol=1e-4, atol=1e-5)


def test_zero3_resumes_exactly_and_refuses_another_number_of_processes(two, tmp_path, cache):
    asked = {"engine": "zero3", "training": {"iterations": 5, "save_every": 2}}
    codes = [code for code, _ in together(cache, tmp_path, asked | {"kill_after": 3})]
    assert all(code != 0 for code in codes)
    code, told = ended(start(cache, tmp_path, asked))
    assert code == 1 and "was written by 2 processes, now there are 1: ZeRO-3 shares" in told
    for code, told in together(cache, tmp_path, asked):
        assert code == 0, told[-3000:]
    assert curve(tmp_path) == curve(two["zero3"])


def test_ddp_goes_on_with_another_number_of_processes(tmp_path, cache):
    asked = {"engine": "ddp", "training": {"iterations": 4, "save_every": 2}}
    assert all(code for code, _ in together(cache, tmp_path, asked | {"kill_after": 3}))
    code, told = ended(start(cache, tmp_path, asked))
    assert code == 0 and "an iteration now takes 0.5 times as many clips" in told
    assert [point["iteration"] for point in curve(tmp_path)] == [0, 1, 2, 3]


def test_a_signal_to_one_process_ends_all_of_them(tmp_path, cache):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asked = {"engine": "ddp", "training": {"iterations": 60}, "slow": 0.2}
    processes = [start(cache, tmp_path, asked, rank, 2, port) for rank in range(2)]
    while not (tmp_path / "losses.jsonl").is_file():
        time.sleep(0.05)
    time.sleep(1)
    processes[1].send_signal(signal.SIGTERM)
    codes = [ended(process)[0] for process in processes]
    assert codes == [75, 75]
    done = len(curve(tmp_path))
    assert 0 < done < 60 and (tmp_path / f"checkpoints/{done:08d}").is_dir()
