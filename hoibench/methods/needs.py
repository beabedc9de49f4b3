"""Checks of the needs of code with an environment of its own: terms, the code's folder and commit, its interpreter, files and models.

Nothing is imported, loaded or written.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

from hoibench.methods.command import outer_environment
from hoibench.methods.method import Entrant
from hoibench.methods.spec import NeededFile, Spec
from hoibench.methods.worker_side.exchange_worker import hub_cache
from hoibench.problems import Problem
from hoibench.store.provenance import git_state

_ANY = "any"
"""The value of the setting ``commit`` that allows any."""
_FIND_MODULES = "import sys, importlib.util as u; print(*[name for name in sys.argv[1:] if u.find_spec(name) is None])"
_SECONDS = 60
_REQUEST_SECONDS = 10
_DIGITS = 12
"""Number of hexadecimal digits of a commit that are printed."""


def find_needs(entrant: Entrant, modules: Sequence[str] = ()) -> Iterator[Problem]:
    """Yield what is missing; without its folder or interpreter, what does not depend on them.

    Args:
        entrant: the method with its settings.
        modules: names of modules that its environment must have.
    """
    spec, settings = entrant.spec, entrant.settings
    if spec.terms and not settings.get("accept_terms"):
        yield Problem(
            spec.id, "", "has terms", "", f"{spec.terms} To accept them: --set {entrant.key}.accept_terms=true"
        )
    upstream = settings.get("upstream")
    if isinstance(upstream, Path) and not upstream.is_dir():
        yield Problem(str(upstream), "", "is no folder", "the folder of the upstream code", "")
        upstream = None
    if isinstance(upstream, Path):
        yield from _check_commit(entrant, upstream)
    for file in spec.files:
        path = upstream / file.path if isinstance(upstream, Path) else None
        if file.path and (path is None or not path.exists()):
            yield Problem(str(path or file.path), "", "is missing", "", _how_to_get(file))
    python = settings.get("python")
    if isinstance(python, Path):
        yield from _check_python(python, upstream if isinstance(upstream, Path) else Path(), modules, spec)
    yield from _check_models(file for file in spec.files if not file.path)


def clone_command(spec: Spec) -> str:
    """Return the command that downloads the upstream code of a method at its tested commit."""
    assert spec.upstream is not None
    repository, commit = spec.upstream.repository, spec.upstream.commit
    return f"git clone --recurse-submodules {repository} FOLDER && git -C FOLDER checkout --recurse-submodules {commit}"


def _check_commit(entrant: Entrant, upstream: Path) -> Iterator[Problem]:
    expected = str(entrant.settings.get("commit", _ANY))
    if expected == _ANY:
        return
    otherwise = f"or --set {entrant.key}.commit={_ANY}"
    state = git_state(upstream)
    found = "" if state is None else str(state["commit"])
    if not found:
        fix = clone_command(entrant.spec) if entrant.spec.upstream else "clone it"
        yield Problem(str(upstream), "", "is no git checkout", f"commit {expected[:_DIGITS]}", f"{fix}; {otherwise}")
    elif not found.startswith(expected):
        fix = f"git -C {shlex.quote(str(upstream))} checkout --recurse-submodules {expected}; {otherwise}"
        yield Problem(str(upstream), "", f"is at commit {found[:_DIGITS]}", expected[:_DIGITS], fix)


def _check_python(python: Path, upstream: Path, modules: Sequence[str], spec: Spec) -> Iterator[Problem]:
    command = [str(python), "-c", _FIND_MODULES, *modules]
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=upstream, env=outer_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS,
            check=False,
        )  # fmt: skip
        reason = (
            "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        )
    except (OSError, subprocess.SubprocessError) as error:
        reason = str(error)
    if reason:
        yield Problem(
            str(python), "", f"does not start ({reason})", "the interpreter of its environment", spec.environment
        )
    elif missing := done.stdout.split():
        yield Problem(str(python), "", f"lacks {', '.join(missing)}", "", spec.environment)


def _check_models(files: Iterable[NeededFile]) -> Iterator[Problem]:
    """Yield the models that are not in the cache of Hugging Face, each with how to get it."""
    cache = Path(hub_cache())
    unreachable = ""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        unreachable = "HF_HUB_OFFLINE is set"
    for file in files:
        if any((cache / f"models--{file.hub.replace('/', '--')}" / "snapshots").glob("*/*")):
            continue
        found = f"is not in {cache}"
        status = None
        if not unreachable:
            try:
                status = _request_access(file.hub)
            except OSError as error:
                unreachable = f"{_endpoint()} cannot be reached: {getattr(error, 'reason', error)}"
        gated = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        if gated:
            found += " and needs a login"
        elif status == HTTPStatus.NOT_FOUND:
            found += f" nor at {_endpoint()}"
        elif status is None:
            found += f" ({unreachable})"
        yield Problem(file.hub, "", found, "", _how_to_get(file, gated=gated))


def _request_access(model: str) -> int:
    """Return the HTTP status with which Hugging Face allows or forbids to download a model without a login.

    Raises:
        OSError: there is no connection.
    """
    url = f"{_endpoint()}/api/models/{model}/auth-check"
    try:
        request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "hoibench"})  # noqa: S310
        with urllib.request.build_opener().open(request, timeout=_REQUEST_SECONDS) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


def _how_to_get(file: NeededFile, *, gated: bool = False) -> str:
    """Return what to do to get a file or a model."""
    url = f"({file.url})" if file.note and file.url else file.url and f"download it from {file.url}"
    steps = [" ".join(filter(None, (file.note, url)))] if file.note or url else []
    if gated:
        steps.append(f"accept its terms at https://huggingface.co/{file.hub}; hf auth login")
    if file.hub and not (file.path and file.note):
        steps.append(f"hf download {file.hub}")
    return "; ".join(step.removesuffix(".") for step in steps)
