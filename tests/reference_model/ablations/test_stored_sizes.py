"""The sizes of the models of the rows of micro: those of their configurations are within the limits, and larger ones are refused."""

import pytest

from reference_model.ablations.rows import ROWS, SIZES, START
from reference_model.ablations.stored_sizes import check_sizes, stored_bytes
from reference_model.config import preset, with_changes
from reference_model.loading.model_folder import CHECKPOINTS

PARTS = CHECKPOINTS / "micro" / "model"
STORED = [START, *(name for name, row in ROWS.items() if not row.weights)]
CONFIGS = {name: preset(f"micro-{name}") for name in STORED}


def test_the_rows_of_micro_and_their_start_are_within_the_limits():
    check_sizes(CONFIGS, PARTS)


def test_rows_of_micros_own_size_are_not():
    own = {field: value for field, value in _fields(preset("micro")).items() if field in SIZES["micro"]}
    with pytest.raises(ValueError, match="no_aligner has up to .* expected at most 5000000: make the networks smaller"):
        check_sizes({"no_aligner": with_changes(CONFIGS["no_aligner"], own)}, PARTS)


def test_too_many_rows_are_refused():
    with pytest.raises(ValueError, match="first, second, .* expected at most 45000000"):
        check_sizes({**dict.fromkeys(("first", "second"), CONFIGS["full"]), **CONFIGS}, PARTS)


def test_the_computed_size_is_a_little_above_that_of_the_shipped_model():
    size = sum(path.stat().st_size for path in PARTS.rglob("*") if path.is_file())
    assert size <= stored_bytes(preset("micro"), PARTS) <= 1.01 * size


def _fields(config):
    return {f"{part}.{name}": value for part in ("mjd", "dpa") for name, value in vars(getattr(config, part)).items()}
