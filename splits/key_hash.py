"""A hash of texts such as sequence keys, by which splits choose without regard to other sequences."""

from __future__ import annotations

import hashlib

RANGE = 2**64
"""Number of the values of ``key_hash``."""


def key_hash(text: str) -> int:
    """Return the first 8 bytes (big-endian) of the text's SHA-256 as a number below ``RANGE``."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
