"""The hostile TACO tree: ``taco`` to read, ``taco_copy`` to break, ``prepared`` the clip of it that the split ``test`` has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import taco_tree


def _state(root):
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*")}


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """Where tests keep what they read of hand files, so that the user's cache stays the user's."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def taco(tmp_path_factory, shared_cache) -> taco_tree.TacoTree:
    """The tree that every test shares; that nobody wrote to it is checked at the end."""
    import taco_tree  # not above: the base install has no torch

    folder = tmp_path_factory.mktemp("taco")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOIBENCH_CACHE", str(shared_cache))
        tree = taco_tree.write_tree(folder / "tree", folder / "lists")
    before = _state(tree.root)
    yield tree
    assert _state(tree.root) == before, "a test wrote into the shared tree: break a copy (taco_copy), and replace files"


@pytest.fixture
def taco_copy(taco, tmp_path) -> taco_tree.TacoTree:
    """A copy for one test, for the functions of ``taco_faults``."""
    return taco.copy(tmp_path / "taco")


@pytest.fixture(scope="session")
def prepared(taco, shared_cache, tmp_path_factory) -> Path:
    """A folder of prepared clips with the one that ``taco`` has of the split ``test``; not to be written to."""
    import taco_tree

    from hoibench.datasets.taco.hand.hand_models import ProxyHand
    from hoibench.datasets.taco.prepare.prepare_line import prepare_line
    from hoibench.datasets.taco.released import lines_of

    out = tmp_path_factory.mktemp("prepared")
    line = next(line for line in lines_of("test") if line.entry.id == taco_tree.HIT.key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOIBENCH_CACHE", str(shared_cache))
        prepare_line(taco.tree, line, out, ProxyHand())
    return out
