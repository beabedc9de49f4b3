"""The uploads of a run's units to its mirror, in threads while the run goes on; see ``mirror``."""

from __future__ import annotations

import zlib
from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from hoibench.clip_file import CLIP_FILE, clip_folder
from hoibench.evaluation.unit import Unit
from hoibench.predictions import PREDICTION_FILE
from hoibench.store.remote_folder import RemoteFolder

CLIPS = "clips"
"""The key of the files of all clips among the names in a mirror."""

_THREADS = 8
_MAX_PENDING = 64


class UnitUploads:
    """Uploads of units, each with the truth of its clip.

    Args:
        remote: the mirror.
        out: the run's folder.
        names: the names of the files in the mirror by the key of their unit, ``CLIPS`` for those of clips; uploads change the sets.

    Raises (all methods):
        RemoteFolderError: the store cannot be written.
    """

    def __init__(self, remote: RemoteFolder, out: Path, names: defaultdict[str, set[str]]) -> None:
        self._remote, self._out, self._names = remote, out, names
        self._versions: dict[Unit, int | None] = {}  # of the predictions that are in the store
        self._threads = [ThreadPoolExecutor(1, thread_name_prefix="mirror") for _ in range(_THREADS)]
        self._pending: deque[Future[None]] = deque()
        self._clips_lock = Lock()  # of self._names[CLIPS] in threads

    def note_same(self, unit: Unit) -> None:
        """Take note that the store has the prediction of a unit that is in the folder now."""
        self._versions[unit] = _version(unit, self._out)

    def begin(self, unit: Unit) -> None:
        """Begin to upload a unit after one of its stages; raises the error of an earlier upload."""
        while self._pending and (self._pending[0].done() or len(self._pending) > _MAX_PENDING):
            self._pending.popleft().result()
        # One thread has all uploads of a unit, so that they never overtake each other.
        thread = self._threads[zlib.crc32(unit.key.encode()) % _THREADS]
        self._pending.append(thread.submit(self._upload, unit))

    def upload_clip(self, clip: str) -> None:
        """Upload the files of a clip's truth that are not in the store, clip.json last."""
        folder = clip_folder(self._out, clip)
        if not (folder / CLIP_FILE).is_file():
            return
        names = {path.relative_to(self._out).as_posix() for path in folder.glob("[!.]*")}
        with self._clips_lock:
            new = sorted(names - self._names[CLIPS], key=lambda name: name.endswith(CLIP_FILE))
            for some in (new[:-1], new[-1:]):
                self._remote.upload(self._out, some)
            self._names[CLIPS].update(new)

    def wait(self) -> None:
        """Wait for all uploads."""
        while self._pending:
            self._pending.popleft().result()

    def close(self) -> None:
        """Leave out the uploads that have not begun."""
        for thread in self._threads:
            thread.shutdown(cancel_futures=True)

    def _upload(self, unit: Unit) -> None:
        marker, scores, known = prediction_name(unit, PREDICTION_FILE), score_name(unit), self._names[unit.key]
        local, version = local_names(unit, self._out), _version(unit, self._out)
        is_new = version is None or self._versions.get(unit) != version
        outdated = known - set(local) | (known & {marker, scores} if is_new else set())
        self._remote.delete(sorted(outdated))
        known -= outdated
        if not is_new:
            local = [name for name in local if name not in known or name == scores]
        self.upload_clip(unit.clip)
        self._remote.upload(self._out, [name for name in local if name not in (marker, scores)])
        for name in (marker, scores):
            self._remote.upload(self._out, [name] if name in local else [])
        known.update(local)
        self._versions[unit] = version


def local_names(unit: Unit, out: Path) -> list[str]:
    """Return the names of a unit's files in the run's folder."""
    paths = [*unit.prediction_folder(out).glob("[!.]*"), unit.score_file(out), unit.log_file(out)]
    return [path.relative_to(out).as_posix() for path in paths if path.is_file()]


def prediction_name(unit: Unit, file: str) -> str:
    """Return the name of a file of a unit's prediction."""
    return f"predictions/{unit.key}/{file}"


def score_name(unit: Unit) -> str:
    """Return the name of a unit's score file."""
    return f"scores/{unit.key}.jsonl"


def _version(unit: Unit, out: Path) -> int | None:
    """Return a number that changes when a unit's prediction is made again; None without one."""
    try:
        return (unit.prediction_folder(out) / PREDICTION_FILE).stat().st_mtime_ns
    except FileNotFoundError:
        return None
