"""Download a weight file, check its SHA-256 and store it atomically."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from hoibench.store import atomic_write
from hoibench.weights.finding import WeightsDamaged, cache_folder, check_weights
from hoibench.weights.registry import Weight

_CHUNK = 1 << 18
_TIMEOUT = 30


class FetchError(OSError):
    """The error of a failed download; its message gives the cause and a command for a manual download."""


def fetch_weights(weight: Weight, folder: Path | None = None, progress: Callable[[int], None] | None = None) -> Path:
    """Download a weight file to a folder, unless it already exists there with the correct hash.

    Args:
        weight: the registered weight.
        folder: the target folder; None means the cache.
        progress: called with the number of bytes received so far.

    Returns:
        The path of the file.

    Raises:
        FetchError: there is no connection, or the server refuses or interrupts the download.
        WeightsDamaged: the server sent other bytes; no file is stored.
        OSError: the folder cannot be written.
    """
    path = (folder or cache_folder()) / weight.file
    if path.is_file():
        try:
            check_weights(path, weight)
            return path
        except WeightsDamaged:  # replaced by the download
            pass
    with atomic_write(path) as temporary:
        found = _download(weight, temporary, path, progress or (lambda received: None))
        if found != weight.sha256:
            raise WeightsDamaged(
                f"{weight.url} sent a file with sha256 {found}, expected {weight.sha256} for weights {weight.id}"
            )
    return path


def _download(weight: Weight, temporary: Path, path: Path, progress: Callable[[int], None]) -> str:
    """Download a weight file to the path ``temporary``, and return the SHA-256 of its bytes in hex digits.

    Raises:
        FetchError: the download fails or ends early; the message names ``path``, where the file is to be stored.
        WeightsDamaged: the server sends more bytes than expected.
    """
    digest = hashlib.sha256()
    received = 0
    with temporary.open("wb") as target:
        for chunk in _chunks(weight, path):
            received += len(chunk)
            if received > weight.bytes:
                raise WeightsDamaged(f"{weight.url} sent more than the {weight.bytes} bytes of weights {weight.id}")
            digest.update(chunk)
            target.write(chunk)
            progress(received)
    if received < weight.bytes:
        raise _fetch_error(weight, path, f"the download ended after {received} of {weight.bytes} bytes")
    return digest.hexdigest()


def _chunks(weight: Weight, path: Path) -> Iterator[bytes]:
    request = urllib.request.Request(weight.url, headers={"User-Agent": "hoibench"})  # noqa: S310 -- a Weight's url is http(s)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310 -- as above
            while chunk := response.read(_CHUNK):
                yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _fetch_error(weight, path, str(error) or type(error).__name__) from error


def _fetch_error(weight: Weight, path: Path, cause: str) -> FetchError:
    return FetchError(
        f"cannot fetch weights {weight.id} from {weight.url}: {cause}; try again, or run "
        f"`curl -L -o {weight.file} {weight.url}` on a machine with a connection and copy the file to {path}"
    )
