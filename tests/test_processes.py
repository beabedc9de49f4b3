"""Every job comes to an end, whatever happens to the worker processes."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pool_tasks
import pytest
from pool_tasks import (
    count_threads,
    exit_soon,
    fail_to_start,
    fork_and_return,
    interrupt,
    leave_processes,
    own_process,
    raise_unsendable,
    send_three,
    sleep_long,
    start,
    start_threads,
    upper_case,
    use_folder,
    write_end_file,
)

from hoibench.processes import TaskPool, Worker, WorkerCrash, worker

EXITED = "its process ended by itself with exit code 9: its code or a library called exit"


def pool(folder, failing_starts=0, count=1):
    for number in range(failing_starts):
        (folder / str(number)).touch()
    return TaskPool(count, start, (folder,))


def results_as_text(results):
    return {job: str(result) if isinstance(result, WorkerCrash) else result for job, result in results}


def test_jobs_have_results_and_one_that_kills_its_process_a_crash(tmp_path):
    results = results_as_text(pool(tmp_path, count=2).results(upper_case, ["a", "die", "b", "c"]))
    assert results == {"a": "A", "die": EXITED, "b": "B", "c": "C"}
    assert not multiprocessing.active_children()


def test_a_process_that_dies_before_it_has_a_job_is_replaced(tmp_path):
    assert list(pool(tmp_path, failing_starts=2).results(upper_case, ["a", "b"])) == [("a", "A"), ("b", "B")]


def test_every_job_is_a_crash_if_no_process_starts(tmp_path):
    results = results_as_text(pool(tmp_path, failing_starts=20).results(upper_case, ["a", "b"]))
    reason = "its process failed to start 4 times; the last time its process was killed by SIGKILL: out of memory, or from outside"
    assert results == {"a": reason, "b": reason}
    assert len(list(tmp_path.iterdir())) == 12


def test_jobs_of_a_group_have_one_worker_and_outlive_a_crash(tmp_path):
    jobs = ["a1", "b1", "a2", "b2", "a3"]
    results = dict(pool(tmp_path, count=2).results(own_process, jobs, group=lambda job: job[0]))
    assert len({results[job] for job in jobs if job[0] == "a"}) == 1
    assert len({results[job] for job in jobs if job[0] == "b"}) == 1
    crashed = results_as_text(pool(tmp_path).results(upper_case, ["a", "die", "b"], group=lambda job: None))
    assert crashed == {"a": "A", "die": EXITED, "b": "B"}


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
    monkeypatch.setattr(worker, "CLOSE_SECONDS", 0.5)
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


def running(folder):
    """Count the processes of ``leave_processes`` that run, by kind."""
    kinds = Counter()
    for file in folder.glob("*-*"):
        kind, pid = file.name.split("-")
        with suppress(ProcessLookupError):
            os.kill(int(pid), 0)
            kinds[kind] += 1
    return kinds


ALL = {"worker": 1, "child": 50, "session": 1, "fork": 1, "orphan": 1}
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="process trees need Linux")


@linux
@pytest.mark.parametrize(
    ("end", "error"),
    [
        ("crash", "its process crashed in native code (SIGSEGV)"),
        ("exit", "its process ended by itself with exit code 0: its code or a library called exit"),
        ("sleep", "no result within 5 s"),
        ("ignore SIGTERM", "no result within 5 s"),
    ],
)
def test_every_process_that_a_failed_call_has_started_is_gone_when_the_call_raises(end, error, tmp_path):
    seen = []

    def do(worker, job):
        with pytest.raises((WorkerCrash, TimeoutError), match=re.escape(error)):
            worker.call(leave_processes, job, timeout=5)
        seen.append((len(list(tmp_path.glob("*-*"))), running(tmp_path)))
        assert worker.call(upper_case, "a") == "A"

    TaskPool(1, use_folder, (tmp_path,)).run([end], do)
    assert seen == [(54, {})]


@linux
def test_detached_processes_end_with_the_call_and_the_others_with_the_worker(tmp_path):
    seen = []

    def do(worker, job):
        worker.call(leave_processes, job)
        seen.append(running(tmp_path))

    TaskPool(1, use_folder, (tmp_path,)).run(["return"], do)
    assert seen == [{kind: ALL[kind] for kind in ALL if kind != "orphan"}]
    assert not running(tmp_path)


@linux
def test_detached_processes_of_a_call_that_keeps_them_end_with_the_worker(tmp_path):
    seen = []

    def do(worker, job):
        for keeps in (True, False):
            worker.call(leave_processes, job, keeps_processes=keeps)
            seen.append(running(tmp_path))

    TaskPool(1, use_folder, (tmp_path,)).run(["return"], do)
    assert seen == [ALL, {"worker": 1, "child": 100, "session": 2, "fork": 2, "orphan": 1}]
    assert not running(tmp_path)


@linux
def test_a_shielded_tree_ends_if_the_child_of_this_process_is_killed(tmp_path):
    with closing(Worker(use_folder, (tmp_path,), threading.Event(), shielded=True)) as shielded:
        shielded.call(leave_processes, "return", keeps_processes=True)
        assert running(tmp_path) == ALL
        (child,) = multiprocessing.active_children()
        child.kill()
        wait_until(lambda: not running(tmp_path))
        assert shielded.call(upper_case, "a") == "A"


@linux
def test_an_error_ends_every_process_that_another_workers_call_has_started(tmp_path):
    def do(worker, job):
        if job == "sleep":
            worker.call(leave_processes, job)
        wait_until(lambda: (tmp_path / "complete").exists())
        assert running(tmp_path) == ALL
        raise OSError(job)

    with pytest.raises(OSError, match="full"):
        TaskPool(2, use_folder, (tmp_path,)).run(["sleep", "full"], do)
    assert not running(tmp_path)


PARENT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from hoibench.processes import TaskPool, start_preloading
from pool_tasks import leave_processes, use_folder

if __name__ == "__main__":
    if preloaded := sys.argv[3] == "preloaded":
        start_preloading(["pool_tasks"])
    pool = TaskPool(1, use_folder, (Path(sys.argv[1]),), preloaded=preloaded)
    pool.run(["sleep"], lambda worker, job: worker.call(leave_processes, job))
"""


@linux
@pytest.mark.parametrize(
    ("number", "start"),
    [(signal.SIGKILL, "new"), (signal.SIGTERM, "new"), (signal.SIGINT, "new"), (signal.SIGKILL, "preloaded"), (signal.SIGINT, "preloaded")],
)  # fmt: skip
def test_no_process_survives_the_end_of_the_first_one(number, start, tmp_path):
    folder, script = tmp_path / "pids", tmp_path / "parent.py"
    folder.mkdir()
    script.write_text(PARENT)
    support = Path(pool_tasks.__file__).parent
    parent = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(support), start], stderr=subprocess.DEVNULL
    )
    wait_until(lambda: (folder / "complete").exists())
    assert running(folder) == ALL
    parent.send_signal(number)
    parent.wait()
    wait_until(lambda: not running(folder))


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_interrupt_in_a_call_is_an_error_of_the_call(tmp_path):
    with pytest.raises(RuntimeError, match="^KeyboardInterrupt: from a method"):
        list(pool(tmp_path).results(interrupt, ["a"]))


def test_a_fork_that_comes_out_of_its_call_ends(tmp_path):
    results = dict(pool(tmp_path).results(fork_and_return, ["a", "b"]))
    assert results["a"] == results["b"]


def test_an_error_that_cannot_be_sent_keeps_its_type_and_message(tmp_path):
    with pytest.raises(RuntimeError, match="Unsendable: two arguments"):
        list(pool(tmp_path).results(raise_unsendable, ["a"]))


def test_values_that_a_call_sends_arrive_in_order_before_its_result(tmp_path):
    seen = []
    pool(tmp_path).run(["a"], lambda worker, job: seen.append(worker.call(send_three, on_message=seen.append)))
    assert seen == [0, 1, 2, "result"]


PRELOAD = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from hoibench.processes import TaskPool, WorkerCrash, start_preloading
from pool_tasks import describe_process, start_threads, upper_case

if __name__ == "__main__":
    start_preloading(["no_such_module", "loud_module", "decimal"])
    os.environ["SET_LATER"] = "1"
    found = [result for _, result in TaskPool(1, start_threads, preloaded=True).results(describe_process, ["a"])]
    found += [result for _, result in TaskPool(1, start_threads).results(describe_process, ["a"])]
    found += [str(result) for _, result in TaskPool(1, start_threads, preloaded=True).results(upper_case, ["die", "b"])]
    print(json.dumps(found))
"""


@linux
def test_preloaded_processes_have_the_imports_and_else_differ_in_nothing(tmp_path):
    script, support = tmp_path / "preload.py", Path(pool_tasks.__file__).parent
    script.write_text(PRELOAD)
    (tmp_path / "loud_module.py").write_text("print('on the terminal')\nraise RuntimeError")
    command = [sys.executable, str(script), str(support)]
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=env)
    expected = {"folder": str(tmp_path), "set later": "1", "threads": 1, "ignores SIGINT": True}
    assert json.loads(done.stdout) == [expected | {"imported": True}, expected | {"imported": False}, EXITED, "B"]
    assert done.stderr == ""
