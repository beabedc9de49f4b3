"""Small models of rows for the tests of the ablations' folders and command."""

import pytest

from reference_model.ablations.rows import START
from reference_model.config import preset
from reference_model.loading.model_folder import CHECKPOINTS
from reference_model.loading.saved_model import save_model
from reference_model.model import SyncMV4D


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folders of models of three rows and of the common start, with random weights, by name."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("full", "no_cycle", "no_aligner", START):
        save_model(folder / name, SyncMV4D(preset(f"micro-{name}")), CHECKPOINTS / "micro" / "model")
    return {path.name: path for path in folder.iterdir()}
