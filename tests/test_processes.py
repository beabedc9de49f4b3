"""Every job comes to an end, whatever happens to the worker processes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
from pool_tasks import (
    count_threads,
    exit_soon,
    fail_to_start,
    sleep_long,
    start,
    start_threads,
    upper_case,
    write_end_file,
)

from hoibench import processes
from hoibench.processes import TaskPool, WorkerCrash

KILLED = "its process ended with code 9: killed from outside, or out of memory"


def pool(folder, failing_starts=0, count=1):
    for number in range(failing_starts):
        (folder / str(number)).touch()
    return TaskPool(count, start, (folder,))


def results_as_text(results):
    return {job: str(result) if isinstance(result, WorkerCrash) else result for job, result in results}


def test_jobs_have_results_and_one_that_kills_its_process_a_crash(tmp_path):
    results = results_as_text(pool(tmp_path, count=2).results(upper_case, ["a", "die", "b", "c"]))
    assert results == {"a": "A", "die": KILLED, "b": "B", "c": "C"}
    assert not multiprocessing.active_children()


def test_a_process_that_dies_before_it_has_a_job_is_replaced(tmp_path):
    assert list(pool(tmp_path, failing_starts=2).results(upper_case, ["a", "b"])) == [("a", "A"), ("b", "B")]


def test_every_job_is_a_crash_if_no_process_starts(tmp_path):
    results = results_as_text(pool(tmp_path, failing_starts=20).results(upper_case, ["a", "b"]))
    reason = "its process failed to start 4 times: killed from outside, or out of memory"
    assert results == {"a": reason, "b": reason}
    assert len(list(tmp_path.iterdir())) == 12


def test_complete_results_come_before_an_error(tmp_path):
    known = []

    def collect():
        for job, _ in pool(tmp_path).results(upper_case, ["a", "full", "b"]):
            known.append(job)

    with pytest.raises(OSError, match="No space left"):
        collect()
    assert known == ["a"]
    assert not multiprocessing.active_children()


def test_no_process_is_left_if_the_consumer_stops_early(tmp_path):
    with closing(pool(tmp_path).results(upper_case, ["a", "b"])) as results:
        assert next(results) == ("a", "A")
    assert not multiprocessing.active_children()


def test_without_jobs_no_process_starts(tmp_path):
    assert list(pool(tmp_path, failing_starts=1).results(upper_case, [])) == []
    assert len(list(tmp_path.iterdir())) == 1


def test_a_job_over_its_timeout_is_ended_and_the_worker_continues(tmp_path):
    seen = []

    def do(worker, job):
        try:
            seen.append(worker.call(upper_case, job, timeout=60 if job != "sleep" else 0.5))
        except TimeoutError:
            seen.append("timeout")

    pool(tmp_path).run(["a", "sleep", "b"], do)
    assert seen == ["A", "timeout", "B"]


def test_the_first_error_of_a_job_stops_the_others(tmp_path):
    done = []

    def do(worker, job):
        done.append(worker.call(upper_case, job))

    with pytest.raises(OSError, match="No space left"):
        pool(tmp_path).run(["a", "full", "b"], do)
    assert done == ["A"]


def test_a_process_that_dies_between_two_calls_is_replaced(tmp_path):
    seen = []

    def do(worker, job):
        worker.call(exit_soon)
        time.sleep(1.5)
        seen.append(worker.call(upper_case, job))

    pool(tmp_path).run(["a"], do)
    assert seen == ["A"]


def test_an_error_of_the_start_function_is_raised():
    with pytest.raises(ImportError, match="no such library"):
        list(TaskPool(1, fail_to_start).results(upper_case, ["a"]))


def test_the_last_call_of_a_worker_has_a_time_limit(tmp_path, monkeypatch):
    pool(tmp_path).run(["a"], lambda worker, job: worker.call(upper_case, job), last=write_end_file)
    assert (tmp_path / "end").exists()
    (tmp_path / "end").unlink()
    monkeypatch.setattr(processes, "CLOSE_SECONDS", 0.5)
    pool(tmp_path).run(["a"], lambda worker, job: worker.call(upper_case, job), last=sleep_long)
    assert not multiprocessing.active_children()


def test_an_error_ends_the_other_workers_jobs(tmp_path):
    with pytest.raises(OSError, match="No space left"):
        pool(tmp_path, count=2).run(["sleep", "full"], lambda worker, job: worker.call(upper_case, job))
    assert not multiprocessing.active_children()


def test_workers_have_one_thread_and_this_process_keeps_its_setting(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    ((_, threads),) = TaskPool(1, start_threads).results(count_threads, ["x"])
    assert set(threads.values()) == {1}
    assert {"openblas", "torch"} <= set(threads)
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


PARENT = """
import multiprocessing, time
from hoibench.processes import die_with_parent

def work(pipe):
    die_with_parent()
    pipe.send(multiprocessing.current_process().pid)
    time.sleep(600)

if __name__ == "__main__":
    here, there = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=work, args=(there,)).start()
    print(here.recv(), flush=True)
    time.sleep(600)
"""


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_worker_ends_with_a_parent_that_was_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    assert alive(worker)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(worker)
