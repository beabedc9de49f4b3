"""Preparation killed before any of its steps that others can see is gone on with, and ends as if nothing had happened."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from taco_prepare import is_prepared, prepare_views
from taco_tree import SHORT, TRIO

import hoibench
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.protocol import Recipe
from hoibench.datasets.taco.recording import Recording

KEY = SHORT.key
RECIPE = Recipe("clip", "raw")
CAMERAS = TRIO[:2]
SCRIPT = """
import itertools, os, sys
from pathlib import Path
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.download import TacoDownload
from hoibench.datasets.taco.prepare.sequence import SequencePreparation
from hoibench.datasets.taco.protocol import Recipe
from hoibench.datasets.taco.recording import Recording

root, out, key, last, *serials = sys.argv[1:]
steps = itertools.count()

def dying(step):
    def die_or_step(*arguments):
        if next(steps) == int(last):
            os._exit(9)
        return step(*arguments)
    return die_or_step

Path.rename, Path.replace, os.link = dying(Path.rename), dying(Path.replace), dying(os.link)
tree = TacoDownload(Path(root))
recording = Recording(tree, tree.sequence(key), ProxyHand())
SequencePreparation(recording, Path(out), Recipe("clip", "raw")).prepare_views(serials)
"""


def prepare(taco, out, last):
    command = [sys.executable, "-c", SCRIPT, str(taco.root), str(out), KEY, str(last), *CAMERAS]
    path = os.pathsep.join([str(Path(hoibench.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def contents(out):
    """Every file of a prepared folder by its path, but what killed processes left."""
    files = (path for path in out.rglob("*") if path.is_file() and ".tmp-" not in str(path))
    return {path.relative_to(out): path.read_bytes() for path in files}


@pytest.mark.slow
def test_preparation_resumes_after_being_killed_at_any_step(taco, tmp_path):
    assert prepare(taco, tmp_path / "undisturbed", -1).returncode == 0
    for last in itertools.count():
        out = tmp_path / str(last)
        killed = prepare(taco, out, last)
        if killed.returncode == 0:
            break
        assert killed.returncode == 9, killed.stderr
        assert not is_prepared(out, KEY, RECIPE, CAMERAS)
        prepare_views(Recording(taco.download, taco.download.sequence(KEY), ProxyHand()), out, CAMERAS, RECIPE)
        assert contents(out) == contents(tmp_path / "undisturbed")
    assert last >= 10  # the record, and the files and the folder of the tracks and of each view
