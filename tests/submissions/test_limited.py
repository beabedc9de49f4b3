"""Calls in a process with limits."""

import limited_tasks as tasks
import pytest

from hoibench.submissions.limited import LimitedProcess, LimitExceeded, Limits

OVER_A_LIMIT = (
    ((tasks.allocate, 3 << 30), "takes over 2048 MiB of memory to read"),
    ((tasks.work, 60), "takes over 2 s of processor time to read"),
    ((tasks.crash,), r"ends the process that reads it \(its process crashed in native code \(SIGSEGV\)\)"),
)


def test_a_call_over_a_limit_is_an_error_and_the_next_one_works():
    with LimitedProcess(Limits(cpu_seconds=2, seconds=60.0)) as process:
        for call, message in OVER_A_LIMIT:
            with pytest.raises(LimitExceeded, match=message):
                process.call(*call)
            assert process.call(tasks.allocate, 1 << 20) == 1 << 20
        for _ in range(2):  # the processor time is that of one call
            process.call(tasks.work, 1)


def test_time_by_the_clock_is_limited():
    with LimitedProcess(Limits(seconds=3.0)) as process, pytest.raises(LimitExceeded, match="takes over 3 s to read"):
        process.call(tasks.sleep)


def test_a_reader_writes_no_file_leaves_no_core_and_raises_its_errors(tmp_path):
    with LimitedProcess() as process:
        with pytest.raises(OSError, match="File too large"):
            process.call(tasks.write_file, tmp_path / "x", 10)
        assert (tmp_path / "x").stat().st_size == 0
        assert process.call(tasks.core_limit) == 0
        with pytest.raises(KeyError, match="missing"):
            process.call(tasks.fail)
