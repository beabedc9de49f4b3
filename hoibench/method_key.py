"""Keys of methods: ``METHOD``, or ``METHOD+PRESET`` with one of its presets (named settings); used in folders, settings and run.json."""

from __future__ import annotations


def method_key(method: str, preset: str | None) -> str:
    """Return the key of a method: ``METHOD+PRESET``, or just ``METHOD`` if ``preset`` is None."""
    return f"{method}+{preset}" if preset else method
