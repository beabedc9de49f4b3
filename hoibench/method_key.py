"""Keys of methods: ``METHOD[+PRESET]`` in folders, settings, run.json and on the page."""

from __future__ import annotations


def method_key(method: str, preset: str | None) -> str:
    """Return ``METHOD+PRESET``, or ``METHOD`` without a preset."""
    return f"{method}+{preset}" if preset else method
