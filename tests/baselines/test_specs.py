"""The specs of the baselines."""

import re

import pytest

from hoibench.methods.registry import installed_specs
from hoibench.plugins import load_object

BASELINES = {id: spec for id, spec in installed_specs().items() if spec.entry.startswith("baselines.")}
UPSTREAM = {id: spec for id, spec in BASELINES.items() if "upstream" in spec.settings}
COMMON = ("upstream", "python", "commit", "timeout_s", "memory_gb", "min_gpu_mb", "keep_files")


@pytest.mark.parametrize("id", UPSTREAM)
def test_methods_with_upstream_code_have_the_same_settings(id):
    spec, first = UPSTREAM[id], next(iter(UPSTREAM.values()))
    assert re.fullmatch("[0-9a-f]{40}", spec.upstream.commit)
    assert spec.settings["commit"].default == spec.upstream.commit
    for key in COMMON:
        assert spec.settings[key].model_copy(update={"default": None}) == first.settings[key].model_copy(
            update={"default": None}
        )
    assert ("accept_terms" in spec.settings) == bool(spec.terms)
    assert load_object(spec.entry).worker.is_file()
    assert load_object(spec.entry).modules
