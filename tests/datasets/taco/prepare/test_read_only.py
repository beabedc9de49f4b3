"""Preparing for a user who may read the download and write nothing into it; root may write everywhere, so another user is put in."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from taco_tree import SHORT, TRIO

import hoibench

NOBODY = 65534
SCRIPT = """
import os, sys
from pathlib import Path
from hoibench.datasets.taco.hand.hand_models import ProxyHand
from hoibench.datasets.taco.download import TacoDownload
from hoibench.datasets.taco.prepare.reader import read_prepared_clip
from hoibench.datasets.taco.prepare.sequence import SequencePreparation
from hoibench.datasets.taco.protocol import Recipe
from hoibench.datasets.taco.recording import Recording
from hoibench.store.atomic import WriteError

root, mine, key, serial, user = Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
tree, recipe = TacoDownload(root), Recipe("clip", "raw")

def prepare(out):
    recording = Recording(tree, tree.sequence(key), ProxyHand())
    assert SequencePreparation(recording, out, recipe).prepare_views([serial]) == (serial,)
    read_prepared_clip(out, key, recipe, [serial])

os.environ["HOIBENCH_CACHE"] = str(root.parent / "cache of root")
prepare(root.parent / "out of root")  # imports all that it takes, which the other user may not read
os.setgroups([])
os.setgid(int(user))
os.setuid(int(user))
os.environ["HOIBENCH_CACHE"] = str(mine / "cache")
prepare(mine / "out")
try:
    prepare(root / "out")
except WriteError as error:
    print(error)
"""


@pytest.fixture
def place():
    """A folder that everybody may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_a_read_only_download_is_prepared_elsewhere(taco, place):
    root, mine = place / "tree", place / "mine"
    shutil.copytree(taco.root, root, copy_function=os.link)
    mine.mkdir(mode=0o700)
    os.chown(mine, NOBODY, NOBODY)
    path = os.pathsep.join([str(Path(hoibench.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, root, mine, SHORT.key, TRIO[0], str(NOBODY)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{root}/out" in done.stdout
    assert "Permission denied" in done.stdout
    assert not (root / "out").exists()
