"""Fake trees of upstream code: git repositories with scripts that record how they are called and write files as the real code does, or misbehave.

tree = make_tree("geometrycrafter", tmp_path)
run(["-m", "hoibench.run", "--method", "geometrycrafter", *tree.flags], env={"FAKE_MODE": "clip_1=hang"})
tree.calls()[0]["argv"]
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TREES = Path(__file__).parent / "upstream_trees"


@dataclass(frozen=True)
class FakeTree:
    """A fake tree: the method's id, the folder, and the commit that is checked out."""

    method: str
    path: Path
    commit: str

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the method that runs it."""
        return {"upstream": self.path, "python": Path(sys.executable), "commit": self.commit, "min_gpu_mb": 0}

    @property
    def flags(self) -> list[str]:
        """The same as command-line flags."""
        return [word for key, value in self.settings.items() for word in ("--set", f"{self.method}.{key}={value}")]

    def calls(self) -> list[dict[str, Any]]:
        """Return the calls of its scripts in order, each as ``fake_call.start`` has recorded it."""
        path = self.path / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def make_tree(method: str, folder: Path) -> FakeTree:
    """Copy the files of ``upstream_trees/METHOD``, and those that trees share, into a new git repository below ``folder``."""
    path = folder / f"{method} tree"  # with a space, as users have them
    shutil.copytree(TREES / method, path, ignore=shutil.ignore_patterns("__pycache__"))
    for shared in TREES.glob("*.py"):
        shutil.copyfile(shared, path / shared.name)
    _git(path, "init", "-q")
    _git(path, "add", "-A")
    _git(path, "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-q", "-m", "fake")
    return FakeTree(method, path, _git(path, "rev-parse", "HEAD"))


def complete(tree: FakeTree, hub: Path) -> None:
    """Add what an installed method checks before a run: empty modules that this interpreter lacks, and empty models in a cache of Hugging Face.

    Args:
        tree: the fake tree.
        hub: the folder of that cache, for HF_HUB_CACHE.
    """
    from hoibench.methods.registry import installed_specs
    from hoibench.plugins import load_object

    spec = installed_specs()[tree.method]
    for name in load_object(spec.entry).modules:
        if importlib.util.find_spec(name) is None:
            (tree.path / f"{name}.py").touch()
    for file in spec.files:
        if file.hub and not file.path:
            snapshot = hub / f"models--{file.hub.replace('/', '--')}" / "snapshots" / "0"
            snapshot.mkdir(parents=True)
            (snapshot / "model.safetensors").touch()


def _git(path: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", path, *words], check=True, capture_output=True, text=True).stdout.strip()
