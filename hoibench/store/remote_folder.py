"""A folder in an object store, or anywhere else that fsspec reaches: its files are listed, read, written and deleted by their names in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from hoibench.store.atomic import write_bytes

MAX_BATCH_BYTES = 64 << 20
MAX_BATCH_FILES = 128
_PASSWORD = re.compile(r"://[^@]*:[^@]*@")
ADVICE_ON_KEYS = (
    "leave them out, and give them in the environment (for S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE) "
    "or in fsspec's configuration, ~/.config/fsspec/conf.json"
)


class RemoteFolderError(ValueError):
    """A remote folder cannot be read or written; the message names its address, the error and the fix."""


class RemoteFolder:
    """A folder at an address such as ``s3://BUCKET/FOLDER``, or ``file:///FOLDER``, which is made when its first file is written.

        remote = RemoteFolder("s3://bucket/run")
        remote.upload(Path("runs/a"), ["run.json"])
        remote.sizes()  # {"run.json": 5120}

    Names have forward slashes and are relative to the folder.  Every method raises ``RemoteFolderError``.
    """

    def __init__(self, address: str) -> None:
        if has_password(address):
            raise RemoteFolderError(f"the address has a user name and a password: {ADVICE_ON_KEYS}")
        self.address = address
        protocol = address.partition("://")[0]
        options = {"auto_mkdir": True} if protocol in ("file", "local") else {}
        with self._explained("open it"):
            try:
                import fsspec

                self._system, root = fsspec.core.url_to_fs(address, use_listings_cache=False, **options)
            except ImportError as error:
                extra = "hoibench[s3]" if protocol in ("s3", "s3a") else f"fsspec[{protocol}]"
                raise RemoteFolderError(f"{address}: {error}: pip install '{extra}'") from None
        self._root = root.rstrip("/")

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of every file by name, without those whose names are no paths inside a folder."""
        with self._explained("list it"):
            try:
                found: Mapping[str, Mapping[str, int]] = self._system.find(self._root, detail=True)
            except FileNotFoundError:  # an empty folder; a missing bucket is found when the first file is written
                return {}
        start = f"{self._root}/"
        sizes = {path.removeprefix(start): facts["size"] for path, facts in found.items() if path.startswith(start)}
        return {name: size for name, size in sizes.items() if is_inside(name)}

    def read(self, name: str) -> bytes:
        """Return the contents of a file."""
        with self._explained(f"read {name}"):
            contents: bytes = self._system.cat_file(self._path(name))
        return contents

    def read_all(self, sizes: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the contents of files, given with their sizes, of which several are read at once."""
        for names in _batches(sizes):
            with self._explained(f"read {names[0]}"):
                contents: Mapping[str, bytes] = self._system.cat([self._path(name) for name in names])
            for name in names:
                yield name, contents[self._path(name)]

    def download(self, folder: Path, sizes: Mapping[str, int]) -> None:
        """Download files, given with their sizes, to a local folder; each file is written atomically."""
        for name, contents in self.read_all(sizes):
            write_bytes(folder / name, contents)

    def upload(self, folder: Path, names: Sequence[str]) -> None:
        """Upload files of a local folder, several at once; in an object store each replaces the old one at once, when it is complete."""
        if names:
            with self._explained(f"write {names[0]}"):
                self._system.put([str(folder / name) for name in names], [self._path(name) for name in names])

    def delete(self, names: Sequence[str]) -> None:
        """Delete files."""
        if names:
            with self._explained(f"delete {names[0]}"):
                self._system.rm([self._path(name) for name in names])

    def _path(self, name: str) -> str:
        if not is_inside(name):
            raise RemoteFolderError(f"{self.address}: {name!r:.200} is no name of a file in a folder: rename it")
        return f"{self._root}/{name}"

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        """Convert every error of the block, whose types depend on the library of the store, to a ``RemoteFolderError``."""
        try:
            yield
        except RemoteFolderError:
            raise
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            raise RemoteFolderError(f"{self.address}: cannot {action} ({text:.300}): {_find_fix(error)}") from error


def has_password(address: str) -> bool:
    """Return True if an address has a user name and a password before its host.

    >>> [has_password(a) for a in ("s3://b/run", "s3://user:pass/word@b/run", "abfs://container@account/run")]
    [False, True, False]
    """
    return _PASSWORD.search(address) is not None


def _find_fix(error: Exception) -> str:
    """Return what to do about an error of a store's library."""
    if isinstance(error, PermissionError) or re.search("Credential|Authentication", type(error).__name__):
        return "give credentials that may list, read, write and delete there, in the environment or the store's profile"
    if isinstance(error, FileNotFoundError) and error.filename is None:  # with a name, it is a local file
        return "correct the address, or create the bucket"
    return "check the address, the credentials and the connection"


def is_inside(name: str) -> bool:
    r"""Return True if a name with forward slashes is a path inside a folder, written in the one usual way.

    >>> [is_inside(name) for name in ("a/b.json", "../a", "/a", "a//b", "a/./b", "a\\b", "")]
    [True, False, False, False, False, False, False]
    """
    return (
        name not in ("", ".")
        and str(PurePosixPath(name)) == name
        and not name.startswith("/")
        and not any(part == ".." or "\\" in part or "\0" in part or ":" in part for part in name.split("/"))
    )


def _batches(sizes: Mapping[str, int]) -> Iterable[list[str]]:
    batch: list[str] = []
    total = 0
    for name, size in sizes.items():
        if batch and (len(batch) == MAX_BATCH_FILES or total + size > MAX_BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(name)
        total += size
    if batch:
        yield batch
