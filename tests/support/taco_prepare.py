"""Short forms of the preparation's classes and records for tests."""

from collections.abc import Sequence
from pathlib import Path

from hoibench.datasets.taco.prepare.format import SequenceRecord, ViewRecord, tracks_folder, view_folder
from hoibench.datasets.taco.prepare.sequence import SequencePreparation
from hoibench.datasets.taco.protocol import Recipe
from hoibench.datasets.taco.recording import Recording
from hoibench.store.verified_folder import is_intact, read_metadata


def prepare_views(recording: Recording, out: Path, serials: Sequence[str], recipe: Recipe) -> tuple[str, ...]:
    """Write the missing tracks and views of a sequence to ``out``, and return the serials of the new views."""
    return SequencePreparation(recording, out, recipe).prepare_views(serials)


def is_prepared(out: Path, key: str, recipe: Recipe, serials: Sequence[str]) -> bool:
    """Return True if a sequence's tracks and its views by the cameras with these serials exist and are intact; reads all their files."""
    views = (view_folder(out, key, recipe, serial) for serial in serials)
    return is_intact(tracks_folder(out, key), SequenceRecord) and all(is_intact(view, ViewRecord) for view in views)


def read_view_record(out: Path, key: str, recipe: Recipe, serial: str) -> ViewRecord:
    """Read the record (metadata) of a prepared view, without its video and masks."""
    return read_metadata(view_folder(out, key, recipe, serial), ViewRecord)
