"""The registry of weight files, read from registry.toml."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Annotated

from pydantic import PositiveInt, StringConstraints

from hoibench.plugins import get_by_name
from hoibench.store.records import Record, read_toml

_HUB_FILE = r"hf://(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[\w.-]+)/(?P<path>[\w./-]+)"


class PackageFile(Record):
    """A file in an installed Python package, which is found without importing the package.

    Attributes:
        name: the package's name in the package index.
        file: path of the file in the package, relative to the folder of installed packages.
    """

    name: str
    file: str


class Weight(Record):
    """The description of one registered weight file.

    Attributes:
        id: its name in metric cards and method specs.
        title: network and training of the weights, in a few words.
        file: the file name in a weights folder.
        url: where to download it: an http(s) URL, or ``hf://OWNER/NAME@REVISION/PATH`` for a file in a Hugging Face repository.
        sha256: 64 hex digits; the first eight, if only those are known; or empty, if unknown.
        git_blob: Git's name of the contents, 40 hex digits, where the file is known from a repository's commit but its sha256 is not.
        bytes: size of the file; None if unknown.
        package: a Python package that has the file, too.
        licence: licence of the weights, as stated by their authors.
        terms: restrictions, such as no commercial use, that a user accepts with ``--accept-terms``; empty if there are none.
    """

    id: str
    title: str
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")]
    url: Annotated[str, StringConstraints(pattern=rf"^(https?://.+|{_HUB_FILE})$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{8}|[0-9a-f]{64})?$")] = ""
    git_blob: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40})?$")] = ""
    bytes: PositiveInt | None = None
    package: PackageFile | None = None
    licence: str
    terms: str = ""

    @property
    def is_verifiable(self) -> bool:
        """Whether a hash is registered that identifies the contents: the complete SHA-256, or Git's name of them."""
        return len(self.sha256) == 64 or bool(self.git_blob)

    @property
    def download_url(self) -> str:
        """The http(s) URL of the file; for a file on Hugging Face, at ``$HF_ENDPOINT`` (a mirror) if that is set.

        Raises:
            ValueError: ``HF_ENDPOINT`` is no http(s) URL.
        """
        hub = re.fullmatch(_HUB_FILE, self.url)
        if hub is None:
            return self.url
        endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        if not endpoint.startswith(("https://", "http://")):
            raise ValueError(f"HF_ENDPOINT is {endpoint!r}: write it with https:// in front")
        return f"{endpoint.rstrip('/')}/{hub['repository']}/resolve/{hub['revision']}/{hub['path']}"


class _Registry(Record):
    """The content of registry.toml."""

    weight: tuple[Weight, ...]


@lru_cache(maxsize=1)
def all_weights() -> Mapping[str, Weight]:
    """Return id -> description of every registered weight file."""
    registry = read_toml(_Registry, files("hoibench.weights") / "registry.toml")
    return {weight.id: weight for weight in registry.weight}


def get_weight(id: str) -> Weight:
    """Return the description of the weight file that is registered with an id.

    Raises:
        UnknownName: the id is not registered; suggests the nearest ids.
    """
    return get_by_name("weight", id, all_weights())
