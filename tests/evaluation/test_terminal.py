"""A run as a person sees it, on a real pseudo-terminal and without one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import Screen, fork_on_terminal

FIRST_WRITE = """
import os, sys

class Errors:
    encoding, isatty = "utf-8", lambda self: False

    def write(self, text):
        if text.strip():
            heavy = sorted({"av", "cv2", "numpy", "pandas", "pyarrow", "scipy", "torch"} & set(sys.modules))
            os.write(2, f"{text.strip()} {heavy}".encode())
            os._exit(0)

    def flush(self):
        pass

sys.stderr = Errors()
from hoibench.cli.run import main
main(["--method", "frozen", "--dry-run"])
"""


def test_a_run_says_that_it_is_loading_before_it_imports_large_libraries():
    result = subprocess.run([sys.executable, "-c", FIRST_WRITE], capture_output=True, text=True, check=True)
    assert result.stderr == "loading []"


@pytest.mark.usefixtures("toy")
def test_a_terminal_shows_the_stages_in_place_and_in_the_end_only_failures_and_the_page(tmp_path):
    columns = 40
    words = ["--dataset", "toy", "--method", "picky", "--metrics", "rpe,chamfer", "--limit", "3", "--workers", "2"]
    words += ["--out", "r", "--max-failures", "9"]
    env = os.environ | {"NO_COLOR": "1", "TERM": "xterm", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    env.pop("COLUMNS", None)
    process, output = fork_on_terminal(["-m", "hoibench.run", *words], columns, cwd=tmp_path, env=env)
    screen, seen, written = Screen(columns), [], ""
    for text in output:
        written += text
        screen.feed(text)
        seen += screen.lines
    assert process.wait(60) == 0
    stages = ["loading", "picky clip 1/3", "scoring ", "building the page"]
    assert all(any(line.startswith(stage) for line in seen) for stage in stages)
    assert not {code for code in ("\x1b[31m", "\x1b[32m", "\x1b[1;31m") if code in written}  # NO_COLOR
    assert "failed  picky/seed-0/clip_1" in screen.text
    assert not any(word in screen.text for word in ("ETA", *stages))
    assert Path(tmp_path, screen.text.splitlines()[-1]).is_file()
