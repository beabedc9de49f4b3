"""Preparation of one line of a split: the views that are scored, and the one that video-to-video methods may see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hoibench.datasets.manifests import Line
from hoibench.datasets.taco.hand.hand_models import HandModel
from hoibench.datasets.taco.layout import Tree
from hoibench.datasets.taco.prepare.preparation import Preparation
from hoibench.datasets.taco.prepare.sealed import Unwritable
from hoibench.datasets.taco.protocol import MODALITIES, Recipe
from hoibench.datasets.taco.recording import Recording


@dataclass(frozen=True)
class Prepared:
    """What was done for a line.

    Attributes:
        made: serials of the views that were made; the others were there.
        without_source: why there is no source view; None where there is one, or the line names none.
    """

    made: tuple[str, ...]
    without_source: str | None


def prepare_line(tree: Tree, line: Line, out: Path, model: HandModel) -> Prepared:
    """Prepare the clip of one line, and its source view if that can be made: only video-to-video methods miss it.

    Raises:
        FileNotFoundError, ValueError: the clip cannot be made, as ``prepare_sequence`` says.
        Unwritable: ``out`` cannot be written.
    """
    recipe = Recipe.parse(line.recipe)
    preparation = Preparation(Recording(tree, tree.sequence(line.entry.id), model), out, recipe)
    made = preparation.ensure(line.entry.serials)
    if line.source is None:
        return Prepared(made, None)
    try:
        return Prepared(made + preparation.ensure([line.source]), None)
    except Unwritable:
        raise
    except (OSError, ValueError) as error:
        there = line.source in preparation.recording.sequence.videos(MODALITIES[recipe.video])
        reason = " ".join(str(error).split()) if there else f"camera {line.source} was not downloaded"
        return Prepared(made, reason)
