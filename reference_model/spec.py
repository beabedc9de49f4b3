"""What SyncMV4D says of itself to the benchmark, whether or not the package is installed."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from hoibench.methods.spec import Spec, parse_spec
from hoibench.plugins import SPEC_FILE


def spec_text() -> str:
    """The text of ``spec.toml``."""
    return (files("reference_model") / SPEC_FILE).read_text(encoding="utf-8")


def own_spec() -> Spec:
    """``spec.toml``, read."""
    return parse_spec(f"reference_model/{SPEC_FILE}", tomllib.loads(spec_text()))
