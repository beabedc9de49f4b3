"""Fetching a weight file: streamed, checked, and whole or absent."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from hoibench.store import atomic_write
from hoibench.weights.finding import WeightsDamaged, cache_folder, check
from hoibench.weights.registry import Weight

_CHUNK = 1 << 18
_TIMEOUT = 30


class FetchFailed(OSError):
    """The network did not give the file; the message holds the cause and a command to fetch it by hand."""


def fetch(wanted: Weight, folder: Path | None = None, progress: Callable[[int], None] | None = None) -> Path:
    """Download a weight file into ``folder`` (the cache by default) unless its right bytes are already there.

    Args:
        wanted: the registered weight.
        folder: where it goes.
        progress: told the bytes received so far.

    Raises:
        FetchFailed: no connection, a refusal by the server, or an answer that breaks off.
        WeightsDamaged: the server gave other bytes; nothing is kept.
        OSError: the folder cannot be written.
    """
    path = (folder or cache_folder()) / wanted.file
    if path.is_file():
        try:
            check(path, wanted)
            return path
        except WeightsDamaged:  # fetched again, and replaced once the right bytes are here
            pass
    with atomic_write(path) as temporary:
        found = _download(wanted, temporary, path, progress or (lambda received: None))
        if found != wanted.sha256:
            raise WeightsDamaged(
                f"{wanted.url} gave a file with sha256 {found}, weights {wanted.id} have {wanted.sha256}"
            )
    return path


def _download(wanted: Weight, temporary: Path, path: Path, progress: Callable[[int], None]) -> str:
    """Write the URL's bytes to ``temporary``, at most as many as are expected, and return their SHA-256."""
    digest = hashlib.sha256()
    received = 0
    with temporary.open("wb") as target:
        for chunk in _chunks(wanted, path):
            received += len(chunk)
            if received > wanted.bytes:
                raise WeightsDamaged(f"{wanted.url} gives more than the {wanted.bytes} bytes of weights {wanted.id}")
            digest.update(chunk)
            target.write(chunk)
            progress(received)
    if received < wanted.bytes:
        raise _failed(wanted, path, f"the answer ended after {received} of {wanted.bytes} bytes")
    return digest.hexdigest()


def _chunks(wanted: Weight, path: Path) -> Iterator[bytes]:
    request = urllib.request.Request(wanted.url, headers={"User-Agent": "hoibench"})  # noqa: S310 -- a Weight's url is http(s)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 -- the same
            while chunk := answer.read(_CHUNK):
                yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _failed(wanted, path, str(error) or type(error).__name__) from error


def _failed(wanted: Weight, path: Path, why: str) -> FetchFailed:
    return FetchFailed(
        f"cannot fetch weights {wanted.id} from {wanted.url}: {why}; try again, or on a machine with a connection run "
        f"`curl -L -o {wanted.file} {wanted.url}` and put the file at {path}"
    )
