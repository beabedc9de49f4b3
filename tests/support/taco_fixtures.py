"""Fixtures of the test download: ``taco`` is read-only, ``taco_copy`` may be changed, ``prepared`` is its clip of the split ``test``."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from disk_cache import DATA_CODE, cached_folder

if TYPE_CHECKING:
    import taco_tree

    from hoibench.datasets.taco.protocol import Recipe

_CODE = (*DATA_CODE, "tests/support/taco_*.py")


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """A cache folder for tests, so that the user's cache is not changed."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def taco(shared_cache) -> taco_tree.TacoTree:
    """The shared test download, read-only."""
    import taco_tree  # not above: the base install has no torch

    def build(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOIBENCH_CACHE", str(shared_cache))
            written = taco_tree.write_tree(folder / "tree", folder / "lists").written
        (folder / "written.pickle").write_bytes(pickle.dumps(written))

    folder = cached_folder("taco-tree", "whole", build, _CODE)
    written = pickle.loads((folder / "written.pickle").read_bytes())
    return taco_tree.TacoTree(folder / "tree", folder / "lists", *taco_tree.SIZES, written)


@pytest.fixture
def taco_copy(taco, tmp_path) -> taco_tree.TacoTree:
    """A copy of the test download for one test."""
    return taco.copy(tmp_path / "taco")


@pytest.fixture(scope="session")
def prepared(taco, shared_cache) -> Path:
    """A read-only folder with the prepared clip of ``taco`` in the split ``test``."""
    import taco_tree

    from hoibench.datasets.taco.hand.hand_models import ProxyHand
    from hoibench.datasets.taco.prepare.split import prepare_line
    from hoibench.datasets.taco.splits import split_lines

    def build(folder: Path) -> None:
        line = next(line for line in split_lines("test") if line.entry.id == taco_tree.HIT.key)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOIBENCH_CACHE", str(shared_cache))
            prepare_line(taco.download, line, folder, ProxyHand())

    return cached_folder("taco-prepared", str(taco.written_at), build, _CODE)


@pytest.fixture(scope="session")
def prepared_views(taco, shared_cache) -> Callable[..., Path]:
    """A function that returns a read-only folder of prepared views (key, serials, recipe)."""
    from taco_prepare import prepare_views

    from hoibench.datasets.taco.recording import Recording

    def folder_of(name: str, *views: tuple[str, tuple[str, ...], Recipe]) -> Path:
        def build(folder: Path) -> None:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("HOIBENCH_CACHE", str(shared_cache))
                for key, serials, recipe in views:
                    prepare_views(Recording(taco.download, taco.download.sequence(key)), folder, serials, recipe)

        return cached_folder(name, f"{taco.written_at} {views}", build, _CODE)

    return folder_of
