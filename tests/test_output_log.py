"""The output of workers goes to files of limited size, whatever they do with their streams."""

import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from pool_tasks import close_stdout, print_everywhere, print_lines, print_twice, replace_stdout, use_folder

from hoibench.processes import OutputLog, Worker, WorkerCrash, output_log


@pytest.fixture
def log(tmp_path):
    log = OutputLog()
    log.switch(tmp_path / "logs" / "a.log")
    return log


@pytest.fixture
def worker(log, tmp_path):
    worker = Worker(use_folder, (tmp_path,), threading.Event(), log)
    yield worker
    worker.close()


def text(tmp_path, name="a"):
    return (tmp_path / "logs" / f"{name}.log").read_text()


def test_a_long_output_keeps_its_start_and_end(log, tmp_path, monkeypatch):
    monkeypatch.setattr(output_log, "HEAD_BYTES", 10)
    monkeypatch.setattr(output_log, "TAIL_BYTES", 4)
    log.write(b"0123456")
    assert text(tmp_path) == "0123456"
    for _ in range(100):
        log.write(b"789abc")
    assert len(text(tmp_path)) < 60
    log.close()
    assert text(tmp_path) == "0123456789\n[... 593 bytes left out ...]\n9abc"


def test_an_output_up_to_the_limit_is_whole(log, tmp_path, monkeypatch):
    monkeypatch.setattr(output_log, "HEAD_BYTES", 10)
    monkeypatch.setattr(output_log, "TAIL_BYTES", 4)
    log.write(b"0123456789abcd")
    log.close()
    assert text(tmp_path) == "0123456789abcd"


def test_each_file_is_written_anew_and_only_if_there_is_output(log, tmp_path):
    for path in (tmp_path / "logs" / "b.log", tmp_path / "logs" / "a.log"):
        log.write(b"one")
        log.switch(path)
    log.write(b"two")
    log.switch(tmp_path / "logs" / "a.log")
    log.write(b" three")
    log.switch(tmp_path / "logs" / "c.log")
    assert (text(tmp_path), text(tmp_path, "b")) == ("two three", "one")
    assert not (tmp_path / "logs" / "c.log").exists()


def test_the_tail_has_the_last_lines_without_control_characters(log):
    log.write(b"".join(b"line %d\n" % n for n in range(100)))
    log.write(b"10%\r\x1b[1;31m90%\x1b[0m\r\n\x1b]0;title\x07bell\x07 \xff\n\n")
    assert log.tail(4).split("\n") == ["line 99", "10%", "90%", "bell \ufffd"]
    log.write(b"x" * 9000)
    assert log.tail() == "x" * 4000


def test_lines_are_reported_with_the_label_of_their_file(tmp_path):
    seen = []
    log = OutputLog(lambda *line: seen.append(line))
    log.switch(tmp_path / "a", "A")
    log.write(b"one\ntw")
    log.write(b"o\nthree")
    log.switch(None, "B")
    log.write(b"four\n")
    assert seen == [("A", "one"), ("A", "two"), ("A", "three"), ("B", "four")]


@pytest.mark.parametrize("path", ["logs/a.log", "/dev/full"])
def test_a_file_that_cannot_be_written_is_given_up(path, log, tmp_path):
    (tmp_path / "logs").write_text("no folder")
    log.switch(tmp_path / path)
    log.write(b"lost\n")
    log.write(b"lost too\n")
    log.close()
    log.switch(tmp_path / "b.log")
    log.write(b"kept")
    assert ((tmp_path / "b.log").read_text(), log.tail()) == ("kept", "kept")


PRINTED = ("by print", "by C", "by write", "to stderr", "by a child", "10%\n90% without a newline")


def test_all_output_of_a_call_is_there_when_it_has_ended(worker, log, tmp_path, capfd):
    worker.call(print_everywhere, "return")
    assert "\x1b" not in log.tail() and all(text in log.tail() for text in PRINTED)
    with pytest.raises(ValueError, match="an error"):
        worker.call(print_everywhere, "error")
    log.switch(tmp_path / "logs" / "b.log")
    with pytest.raises(WorkerCrash, match="SIGSEGV"):
        worker.call(print_everywhere, "crash")
    assert "string_at" in text(tmp_path, "b"), "the stack of the crash"
    assert {"by print", "by a child"} <= set(text(tmp_path, "b").split("\n"))
    assert text(tmp_path).count("by a child") == 2
    assert capfd.readouterr() == ("", "")


def test_a_full_disk_does_not_block_the_call(worker, log):
    log.switch(Path("/dev/full"))
    worker.call(print_lines, 20_000, timeout=60)
    assert log.tail(2) == "line 19998\nline 19999"


class SlowLog(OutputLog):
    def write(self, data):
        time.sleep(0.3)
        super().write(data)


def test_output_that_is_read_late_belongs_to_the_call_that_printed_it(tmp_path):
    with closing(Worker(use_folder, (tmp_path,), threading.Event(), SlowLog())) as worker:
        worker.output.switch(tmp_path / "a")
        worker.call(print_twice)
        worker.output.switch(tmp_path / "b")
    assert (tmp_path / "a").read_text() == "one\ntwo\n"
    assert not (tmp_path / "b").exists()


def test_a_million_lines_do_not_block_the_call(worker, tmp_path):
    worker.call(print_lines, 1_000_000, timeout=300)
    worker.output.switch(None)
    lines = text(tmp_path)
    assert lines.startswith("line 0\nline 1\n") and lines.endswith("line 999998\nline 999999\n")
    assert 500_000 < len(lines) < 600_000


def test_a_call_that_closes_or_replaces_its_streams_does_not_hide_later_output(worker, log, tmp_path, capfd):
    assert worker.call(close_stdout, tmp_path) == 1
    worker.call(print_everywhere, "return")
    worker.call(replace_stdout)
    worker.call(print_everywhere, "return")
    log.close()
    assert [text(tmp_path).count(line) for line in ("before", "by print", "by C", "by a child")] == [1, 2, 2, 2]
    assert (tmp_path / "file").read_bytes() == b""
    assert capfd.readouterr() == ("", "")
