"""Real processes: killed at any point and started again, alone or two together, and signals to them."""

import json
import signal
import time

import pytest
from started_trainings import asked, ended, start, start_two, together
from tiny_training import LOOP, curve, write_cache

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache):
    """Seven iterations that nothing stopped, in a process of their own."""
    out = tmp_path_factory.mktemp("whole")
    assert ended(start(asked(cache, out, "ddp", {"iterations": 7})))[0] == 0
    return curve(out)


@pytest.mark.parametrize("in_save", [False, True])
def test_kill_and_resume_gives_the_same_curve_bit_for_bit(tmp_path, cache, whole, in_save):
    job = asked(cache, tmp_path, "ddp", {"iterations": 7, "save_every": 2})
    code, _ = ended(start(job | {"kill_after": 3 if in_save else 5, "kill_in_save": in_save}))
    assert code == -signal.SIGKILL
    # Killed after the fifth iteration, or in the checkpoint after the fourth.
    there = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert there == ([".unfinished-00000004", "00000002"] if in_save else ["00000002", "00000004"])
    assert ended(start(job))[0] == 0
    assert curve(tmp_path) == whole
    sessions = [json.loads(line)["iteration"] for line in (tmp_path / "sessions.jsonl").read_text().splitlines()]
    assert sessions == [0, 2 if in_save else 4]


def test_kill_and_resume_in_the_loop_gives_the_same_curve_bit_for_bit(tmp_path):
    cache = write_cache(tmp_path / "cache", config=LOOP)
    settings = {"iterations": 7, "stage": "joint", "save_every": 4}
    once, twice = (asked(cache, tmp_path / name, "ddp", settings) for name in ("once", "twice"))
    code, _ = ended(start(once, twice | {"kill_after": 6}))
    assert code == -signal.SIGKILL and len(curve(tmp_path / "twice")) == 6
    assert ended(start(twice))[0] == 0
    assert curve(tmp_path / "twice") == curve(tmp_path / "once")
    after = json.loads((tmp_path / "twice/rank0.json").read_text())
    assert after["guided"] == json.loads((tmp_path / "once/rank0.json").read_text())["guided"][4:]
    assert after["found"] > 0


def test_a_second_signal_ends_it_at_once(tmp_path, cache):
    process = start(asked(cache, tmp_path, "ddp", {"iterations": 7}, slow=30))
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
    assert process.wait(10) == 128 + signal.SIGTERM
    assert not (tmp_path / "checkpoints").exists()


BF16 = {"precision": "bf16", "gradient_checkpointing": True}


def test_zero3_resumes_exactly_and_refuses_another_number_of_processes(tmp_path, cache):
    """Exact and as large models are trained; the first process alone says which checkpoint is the newest, since the other sees none."""
    whole, whole_bf16, killed, killed_bf16 = (
        asked(cache, tmp_path / name, "zero3", {"save_every": 2} | settings)
        for name, settings in (("whole", {}), ("whole-bf16", BF16), ("killed", {}), ("killed-bf16", BF16))
    )
    dying = {"kill_after": 3}
    for jobs in ((whole, whole_bf16, killed_bf16 | dying), (killed | dying,)):
        assert all(code != 0 for code, _ in together(*jobs))
    for name in ("killed", "killed-bf16"):
        assert [path.name for path in (tmp_path / name / "checkpoints").iterdir()] == ["00000002"]
    code, told = ended(start(killed))
    assert code == 2 and "was written by 2 processes, now there are 1: ZeRO-3 shares" in told
    for code, told in together(killed | {"blind": True}, killed_bf16 | {"blind": True}):
        assert code == 0, told[-3000:]
    curves = {name: curve(tmp_path / name) for name in ("whole", "whole-bf16", "killed", "killed-bf16")}
    assert len(curves["whole"]) == len(curves["whole-bf16"]) == 5
    assert curves["killed"] == curves["whole"] and curves["killed-bf16"] == curves["whole-bf16"]
    assert curves["whole"] != curves["whole-bf16"]


def test_ddp_goes_on_with_another_number_of_processes(tmp_path, cache):
    job = asked(cache, tmp_path, "ddp", {"iterations": 4, "save_every": 2})
    assert all(code for code, _ in together(job | {"kill_after": 3}))
    code, told = ended(start(job))
    assert code == 0 and "an iteration now takes 0.5 times as many clips" in told
    assert [point["iteration"] for point in curve(tmp_path)] == [0, 1, 2, 3]


def test_a_signal_to_one_process_ends_all_of_them(tmp_path, cache):
    processes = start_two(asked(cache, tmp_path, "ddp", {"iterations": 60}, slow=0.2))
    while not (tmp_path / "losses.jsonl").is_file():
        time.sleep(0.05)
    time.sleep(1)
    processes[1].send_signal(signal.SIGTERM)
    codes = [ended(process)[0] for process in processes]
    assert codes == [75, 75]
    done = len(curve(tmp_path))
    assert 0 < done < 60 and (tmp_path / f"checkpoints/{done:08d}").is_dir()
