"""Standard output of a command holds its result and nothing else."""

import json
import subprocess
import sys

import fake_runs
import pytest

from hoibench.cli.main import main
from hoibench.cli.output import check_writable

NOISY = """
import ctypes, os, sys
from hoibench.cli.output import print_result, reserved_stdout

print("before")
with reserved_stdout() as stdout:
    print("by print")
    os.write(1, b"by write\\n")
    os.system("echo by a child")
    print_result("the result", stdout)
    ctypes.CDLL(None).puts(b"by C")
    ctypes.CDLL(None).fflush(None)
print("after")
"""


def test_a_result_is_alone_on_standard_output_whatever_else_is_printed():
    done = subprocess.run([sys.executable, "-c", NOISY], capture_output=True, text=True, check=True)
    assert done.stdout == "before\nthe result\nafter\n"
    assert set(done.stderr.split("\n")) == {"by print", "by write", "by a child", "by C", ""}


def test_a_reader_that_closes_the_pipe_is_no_error():
    script = NOISY.replace('print("before")', "sys.stdin.read()").replace('print("after")', "os._exit(5)")
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    process.stdin.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), b"Error" in err) == (5, False)


@pytest.mark.usefixtures("toy")
def test_the_json_of_a_run_is_one_document_though_the_method_prints_in_this_process(launch):
    process = launch("--method", "noisy", "--limit", "1", "--executor", "inline", "--json", "--out", "r")
    out, err = process.communicate(timeout=300)
    assert json.loads(out)["out"] == "r"
    assert "step 39999" in err and "a child's line" in err


def test_a_file_that_cannot_be_written_is_named_with_its_flag(tmp_path):
    check_writable("--csv", tmp_path / "new" / "t.csv")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("kept")
    check_writable("--csv", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"
    for path, reason in (
        (tmp_path, "cannot be written .Is a directory."),
        (tmp_path / "file" / "t.csv", f"cannot be created, since {tmp_path / 'file'} is a file"),
    ):
        with pytest.raises(ValueError, match=f"--csv {path} {reason}: give a writable path"):
            check_writable("--csv", path)


ESCAPES = "\x1b]0;title\x07\x9b2J\u202e[red]"


def test_texts_of_a_run_cannot_control_the_terminal(tmp_path, capsys):
    methods = [
        fake_runs.FakeMethod(name, ESCAPES, fake_runs.means(1, 10, 5, 0.02, 0.012, level), more={"preset": ESCAPES, "paper": ESCAPES})
        for name, level in (("a", 20), ("b", 30))
    ]  # fmt: skip

    def hostile(row):
        failed = {"value": None, "status": "failed", "reason": ESCAPES} if row["metric"] == "rpe@1" else {}
        return row | {"split": ESCAPES} | failed

    run = fake_runs.write_run(tmp_path / "r", methods, clips=2, seeds=(0,), name=ESCAPES, split=ESCAPES, edit=hostile)
    commands = (
        ["show", str(run), "--secondary"],
        ["compare", str(run)],
        ["ls", "runs", "--runs", str(tmp_path)],
        ["compare", f"{run}:a+x"],
    )
    for command, code in zip(commands, (0, 0, 0, 2), strict=True):
        assert main(command) == code
        out, err = capsys.readouterr()
        assert "[red]" in out + err, "a text of the run is printed, and no mark-up is read in it"
        assert (out + err).replace("\n", "").isprintable()
