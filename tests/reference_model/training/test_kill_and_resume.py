"""Real processes, alone or two together: killed and resumed, and stopped by signals."""

import json
import signal
import time

import pytest
from started_trainings import run_two, start, start_two, training_options, wait
from tiny_training import LOOP, read_curve, write_cache

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, cache):
    """Seven uninterrupted iterations in a separate process."""
    out = tmp_path_factory.mktemp("uninterrupted")
    assert wait(start(training_options(cache, out, "ddp", {"iterations": 7})))[0] == 0
    return read_curve(out)


@pytest.mark.parametrize("in_save", [False, True])
def test_kill_and_resume_gives_the_same_curve_bit_for_bit(tmp_path, cache, uninterrupted, in_save):
    job = training_options(cache, tmp_path, "ddp", {"iterations": 7, "save_every": 2})
    code, _ = wait(start(job | {"kill_after": 3 if in_save else 5, "kill_in_save": in_save}))
    assert code == -signal.SIGKILL
    # Killed after the fifth iteration, or in the checkpoint after the fourth.
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ([".unfinished-00000004", "00000002"] if in_save else ["00000002", "00000004"])
    assert wait(start(job))[0] == 0
    assert read_curve(tmp_path) == uninterrupted
    sessions = [json.loads(line)["iteration"] for line in (tmp_path / "sessions.jsonl").read_text().splitlines()]
    assert sessions == [0, 2 if in_save else 4]


def test_kill_and_resume_in_the_loop_gives_the_same_curve_bit_for_bit(tmp_path):
    cache = write_cache(tmp_path / "cache", config=LOOP)
    settings = {"iterations": 7, "objective": "joint", "save_every": 4}
    once, twice = (training_options(cache, tmp_path / name, "ddp", settings) for name in ("once", "twice"))
    code, _ = wait(start(once, twice | {"kill_after": 6}))
    assert code == -signal.SIGKILL and len(read_curve(tmp_path / "twice")) == 6
    assert wait(start(twice))[0] == 0
    assert read_curve(tmp_path / "twice") == read_curve(tmp_path / "once")
    after = json.loads((tmp_path / "twice/rank0.json").read_text())
    assert after["guided"] == json.loads((tmp_path / "once/rank0.json").read_text())["guided"][4:]
    assert after["found"] > 0


def test_a_second_signal_ends_the_process_at_once(tmp_path, cache):
    process = start(training_options(cache, tmp_path, "ddp", {"iterations": 7}, pause=30))
    deadline = time.monotonic() + 120
    while not (tmp_path / "losses.jsonl").is_file() or not (tmp_path / "losses.jsonl").read_text():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    time.sleep(1)  # into the pause between iterations
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)  # launchers repeat it
    time.sleep(2.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM
    assert not (tmp_path / "checkpoints").exists()


BF16 = {"precision": "bf16", "gradient_checkpointing": True}


def test_zero3_resumes_exactly_and_refuses_another_number_of_processes(tmp_path, cache):
    """Tested in float32 and bfloat16; only the first process looks for checkpoints, since the other would find none."""
    uninterrupted, uninterrupted_bf16, killed, killed_bf16 = (
        training_options(cache, tmp_path / name, "zero3", {"save_every": 2} | settings)
        for name, settings in (
            ("uninterrupted", {}),
            ("uninterrupted-bf16", BF16),
            ("killed", {}),
            ("killed-bf16", BF16),
        )
    )
    dying = {"kill_after": 3}
    for jobs in ((uninterrupted, uninterrupted_bf16, killed_bf16 | dying), (killed | dying,)):
        assert all(code != 0 for code, _ in run_two(*jobs))
    for name in ("killed", "killed-bf16"):
        assert [path.name for path in (tmp_path / name / "checkpoints").iterdir()] == ["00000002"]
    code, output = wait(start(killed))
    assert code == 2 and "was written by 2 processes, now there are 1: ZeRO-3 cannot change" in output
    for code, output in run_two(killed | {"hide_checkpoints": True}, killed_bf16 | {"hide_checkpoints": True}):
        assert code == 0, output[-3000:]
    curves = {
        name: read_curve(tmp_path / name) for name in ("uninterrupted", "uninterrupted-bf16", "killed", "killed-bf16")
    }
    assert len(curves["uninterrupted"]) == len(curves["uninterrupted-bf16"]) == 5
    assert curves["killed"] == curves["uninterrupted"] and curves["killed-bf16"] == curves["uninterrupted-bf16"]
    assert curves["uninterrupted"] != curves["uninterrupted-bf16"]


def test_ddp_resumes_with_another_number_of_processes(tmp_path, cache):
    job = training_options(cache, tmp_path, "ddp", {"iterations": 4, "save_every": 2})
    assert all(code for code, _ in run_two(job | {"kill_after": 3}))
    code, output = wait(start(job))
    assert code == 0 and "an iteration now takes 0.5 times as many clips" in output
    assert [point["iteration"] for point in read_curve(tmp_path)] == [0, 1, 2, 3]


def test_a_signal_to_one_process_ends_all_of_them(tmp_path, cache):
    processes = start_two(training_options(cache, tmp_path, "ddp", {"iterations": 60}, pause=0.2))
    while not (tmp_path / "losses.jsonl").is_file():
        time.sleep(0.05)
    time.sleep(1)
    processes[1].send_signal(signal.SIGTERM)
    codes = [wait(process)[0] for process in processes]
    assert codes == [75, 75]
    done = len(read_curve(tmp_path))
    assert 0 < done < 60 and (tmp_path / f"checkpoints/{done:08d}").is_dir()
