"""Download a weight file, or add a local one: a verified file is stored atomically, an interrupted download resumes.

pooch 1.9 and huggingface_hub 2.4 delete an interrupted download, so that a later command has to start again; hence urllib.
"""

from __future__ import annotations

import errno
import http.client
import logging
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from hoibench.errors import Crash
from hoibench.progress import ProgressCallback
from hoibench.store import atomic_write
from hoibench.store.atomic import WriteError, as_write_error, sync, write_bytes
from hoibench.store.locks import locked
from hoibench.weights.finding import WeightsDamaged, cache_folder, find_difference, sha256_record, weights_sha256
from hoibench.weights.registry import Weight

log = logging.getLogger(__name__)

_CHUNK = 1 << 18
_TIMEOUT = 30


class FetchError(Crash):
    """The error of a failed download; its message gives the cause and the commands for a manual download."""


class TermsNotAccepted(ValueError):
    """The error that weights have restrictive terms which the user has not accepted; its message gives the terms and the flag."""


def check_terms(weight: Weight, accepted: bool) -> None:
    """Raise TermsNotAccepted if a weight has restrictive terms and ``accepted`` is False."""
    if weight.terms and not accepted:
        raise TermsNotAccepted(
            f"weights {weight.id} have terms. {weight.terms}\nIf you accept them, give the same command with --accept-terms"
        )


def fetch_weights(weight: Weight, folder: Path | None = None, progress: ProgressCallback | None = None) -> Path:
    """Download a weight file to a folder, unless it already exists there with the correct contents.

    The bytes of an interrupted download are kept in a hidden file, and the next call resumes from them.  Proxies are those of the environment
    (``https_proxy``, ``no_proxy``), ``HF_ENDPOINT`` is a mirror of Hugging Face, and ``HF_HUB_OFFLINE=1`` forbids downloads.

    Args:
        weight: the registered weight; ``check_terms`` is the caller's duty.
        folder: the target folder; None means the cache.
        progress: called with the weight's id, the number of bytes received so far, and the file's size (0 if unknown).

    Returns:
        The path of the file.

    Raises:
        FetchError: there is no connection, or the server refuses, interrupts or sends a web page.
        WeightsDamaged: the server sent other bytes; no file is stored.
        WriteError: the folder cannot be written, or the disk is full.
    """
    path = (folder or cache_folder()) / weight.file
    if _is_intact(path, weight):
        return path
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise _fetch_error(weight, "HF_HUB_OFFLINE forbids downloads")
    with locked(path.with_name(f".{path.name}.lock"), wait=True):
        if not _is_intact(path, weight):  # another process may have downloaded it meanwhile
            partial = path.with_name(f".{path.name}.part")
            _download(weight, partial, progress or (lambda stage, done, total: None))
            if difference := find_difference(partial, weight):
                partial.unlink()
                raise WeightsDamaged(
                    f"{weight.download_url} sent a file that {difference}; it was deleted. {_by_hand(weight)}"
                )
            with as_write_error(path):
                sync(partial)
                _record_hash(partial, path, weight)
                partial.replace(path)
                sync(path.parent)
    return path


def add_weights(weight: Weight, file: Path, folder: Path | None = None) -> Path:
    """Copy a local weight file to a folder, by default the cache, after checking its contents; return the path of the copy.

    Raises:
        FileNotFoundError: the file does not exist.
        WeightsDamaged: it has other bytes than registered; nothing is copied.
        WriteError: the folder cannot be written, or the disk is full.
    """
    if difference := find_difference(file, weight):
        raise WeightsDamaged(f"{file} {difference}")
    path = (folder or cache_folder()) / weight.file
    with as_write_error(path), atomic_write(path) as temporary:
        shutil.copyfile(file, temporary)
        _record_hash(temporary, path, weight)
    return path


def _is_intact(path: Path, weight: Weight) -> bool:
    return path.is_file() and find_difference(path, weight) is None


def _record_hash(new: Path, path: Path, weight: Weight) -> None:
    """Record the hash of a new file, which will be renamed to ``path``, if it could not be compared with a registered one."""
    if not weight.is_verifiable:
        found = weights_sha256(new)
        write_bytes(sha256_record(path), f"{found}  {path.name}\n".encode())
        known = f"only its first digits, {weight.sha256}, are" if weight.sha256 else "none is"
        log.warning(
            "weights %s could not be verified: sha256 %s was found, %s registered; recorded in %s",
            weight.id, found, known, sha256_record(path),
        )  # fmt: skip


def _download(weight: Weight, partial: Path, progress: ProgressCallback) -> None:
    """Download a weight file to ``partial``, from its end if it exists; resume interrupted transfers as long as each one brings new bytes."""
    while True:
        start = partial.stat().st_size if partial.exists() else 0
        try:
            _receive(weight, partial, start, progress)
            return
        except _Interrupted as error:
            received = partial.stat().st_size if partial.exists() else 0
            if received <= start:
                kept = f"; {received} bytes are kept, the same command resumes from there" if received else ""
                raise _fetch_error(weight, f"{error}{kept}") from None
            log.info("resuming the download of %s at %d bytes: %s", weight.id, received, error)


class _Interrupted(Exception):
    """The error that a transfer could not start or ended early."""


def _receive(weight: Weight, partial: Path, start: int, progress: ProgressCallback) -> None:
    """Append the bytes from ``start`` on to ``partial``; a server that cannot do so sends the whole file, which replaces ``partial``."""
    request = urllib.request.Request(weight.download_url, headers={"User-Agent": "hoibench"})  # noqa: S310 -- http(s), by Weight
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        # A new opener reads the proxies of the environment, as urlopen does only once.
        response = urllib.request.build_opener().open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not start:
            raise _Interrupted(str(error)) from error
        if error.headers.get("Content-Range") != f"bytes */{start}":  # else all bytes had been received
            _receive(weight, partial, 0, progress)
        return
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(str(error) or type(error).__name__) from error
    with response, as_write_error(partial):
        if response.headers.get_content_type() == "text/html":
            raise _fetch_error(
                weight, "the server sent a web page, e.g. of a proxy or a login; open the address in a browser"
            )
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        if weight.bytes is not None and total is not None and total != weight.bytes:
            raise WeightsDamaged(
                f"{weight.download_url} has {total} bytes, expected {weight.bytes} for weights {weight.id}. {_by_hand(weight)}"
            )
        _check_space(partial, (total or weight.bytes or 0) - start)
        received = start
        with partial.open("ab" if start else "wb") as target:
            for chunk in _chunks(response):
                target.write(chunk)
                target.flush()
                received += len(chunk)
                progress(weight.id, received, total or weight.bytes or 0)
                if weight.bytes is not None and received > weight.bytes:
                    return  # an endless or wrong file, which the check refuses
        if total is not None and received < total:
            raise _Interrupted(f"the download ended after {received} of {total} bytes")


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the bytes of a response.

    Raises:
        _Interrupted: the connection broke.
    """
    while True:
        try:
            chunk = response.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(str(error) or type(error).__name__) from error
        if not chunk:
            return
        yield chunk


def _check_space(partial: Path, missing: int) -> None:
    free = shutil.disk_usage(partial.parent).free
    if free < missing:
        raise WriteError(errno.ENOSPC, f"no space left for {partial}: {missing} bytes are missing, {free} are free")


def _fetch_error(weight: Weight, cause: str) -> FetchError:
    return FetchError(f"cannot fetch weights {weight.id} from {weight.download_url}: {cause}. {_by_hand(weight)}")


def _by_hand(weight: Weight) -> str:
    return (
        f"Try again; or download the file on another machine (`curl -L -o {weight.file} {weight.download_url}`) "
        f"and run `hoibench weights add {weight.file} {weight.id}` here"
    )
