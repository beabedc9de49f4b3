"""Commands that must work without torch, pandas and scipy; `tox -e base` runs them without these libraries."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "pandas", "scipy", "cv2", "av", "pyarrow", "kornia", "trimesh")
BLOCKED = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in %r:
            raise ModuleNotFoundError(f"a light command imported {name}", name=name)
sys.meta_path.insert(0, Refuse())
sys.argv = %r
runpy.run_module(%r, run_name="__main__")
"""
COMMANDS = [
    ["hoibench", "--help"],
    ["hoibench", "--version"],
    ["hoibench", "ls"],
    ["hoibench", "ls", "metrics"],
    ["hoibench", "ls", "metrics", "--page"],
    ["hoibench", "weights", "ls"],
    ["hoibench", "ls", "metrics", "--self-test"],
    ["hoibench", "ls", "datasets"],
    ["hoibench", "ls", "splits"],
    ["hoibench", "ls", "runs"],
    ["hoibench", "ls", "--help"],
    ["hoibench", "cache", "ls"],
    ["hoibench", "init-method", "mine"],
    ["hoibench.run", "--help"],
]


def run(*words, code=0, **kwargs):
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=60, **kwargs)
    assert done.returncode == code, done.stderr
    return done


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_light_commands_import_nothing_heavy(words, tmp_path):
    """Imports of these libraries are blocked, so the test is the same in every environment."""
    script = BLOCKED % (HEAVY, [words[0], *words[1:]], words[0])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_ls_prints_json():
    metrics = json.loads(run("hoibench", "ls", "metrics", "--json").stdout)
    assert {"rpe@2", "chamfer@2", "matching_pixels/sift-mnn@2"} <= {row["metric"] for row in metrics}
    splits = json.loads(run("hoibench", "ls", "splits", "--json").stdout)
    assert "synthetic@2/demo" in {row["split"] for row in splits}


def test_ls_prints_the_self_test():
    rows = json.loads(run("hoibench", "ls", "metrics", "--self-test", "--json").stdout)
    (row,) = (row for row in rows if (row["metric"], row["region"]) == ("psnr@1", "full"))
    assert (row["noise"], row["scaled points"]) == ("sees", "")
    assert "hoibench ls metrics --self-test" in run("hoibench", "ls", "methods", "--self-test", code=2).stderr


def test_unknown_command_names_the_nearest():
    done = run("hoibench", "shwo", code=2)
    assert "did you mean show" in done.stderr


def test_no_command_prints_usage():
    assert "usage: hoibench" in run("hoibench", code=2).stdout
