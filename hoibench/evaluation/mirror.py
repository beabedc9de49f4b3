"""The mirror of a run: a copy of its folder in an object store, from which a machine that lacks the folder goes on.

A run works in its local folder.  What is complete there is uploaded and never replaced; what is complete in the store alone counts as done.
Of a unit prediction.json comes last, as on disk, and then its rows: a unit that is half uploaded is done again.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hoibench.clip_file import CLIP_FILE, clip_folder
from hoibench.evaluation.build_run_record import RunRefused
from hoibench.evaluation.failures import FAILURE_FILE
from hoibench.evaluation.identity import differences
from hoibench.evaluation.unit import Unit
from hoibench.predictions import PREDICTION_FILE, is_complete
from hoibench.reference_rows import FROZEN_SELF
from hoibench.results.score_file import read_finished
from hoibench.store import canonical_json
from hoibench.store.remote_folder import RemoteFolder, RemoteFolderError

_THREADS = 8
_MAX_PENDING = 64
_RECORD = re.compile(r"^run\.(\d+of\d+\.)?json$")


class Mirror:
    """The mirror of a run; uploads go on in threads.

    Raises (all methods):
        RemoteFolderError: the store cannot be read or written.
    """

    def __init__(self, address: str, out: Path) -> None:
        self._out = out
        self._remote = RemoteFolder(address)
        self._sizes = self._remote.sizes()
        self._names: defaultdict[str, set[str]] = defaultdict(
            set
        )  # of each unit by its key, of all clips, and of the rest
        for name in self._sizes:
            self._names[_owner(name)].add(name)
        self._versions: dict[Unit, int | None] = {}  # of the predictions that are in the store
        self._threads = [ThreadPoolExecutor(1, thread_name_prefix="mirror") for _ in range(_THREADS)]
        self._pending: deque[Future[None]] = deque()
        self._record = "run.json"

    def restore_record(self, name: str, identity: Mapping[str, Any]) -> None:
        """Download the record ``name`` of an earlier start, or that of another shard, and the log, unless the folder has them.

        Args:
            name: the file name of the record of this run or shard.
            identity: see ``Plan.identity``.

        Raises:
            RunRefused: the store has a run with other settings.
        """
        self._record = name
        records = sorted(filter(_RECORD.match, self._names[""]))
        if not records:
            return
        found = name if name in records else records[0]
        if changed := differences(
            json.loads(self._remote.read(found)).get("identity", {}), json.loads(canonical_json(identity))
        ):
            listed = "\n  ".join(changed)
            raise RunRefused(
                f"--mirror {self._remote.address} has a run with other settings:\n  {listed}\nGive another --mirror."
            )
        wanted = {found, "log.txt"} & self._names[""]
        self._download(file for file in wanted if not (self._out / file).exists())

    def restore_units(self, units: Sequence[Unit], metrics: Collection[str]) -> frozenset[Unit]:
        """Download of some units what the run still needs and lacks, and upload those that are complete here, but not in the store.

        Args:
            units: the units.
            metrics: the ids of the run's metrics.

        Returns:
            The units that are done, whose predictions are in the store alone.
        """
        absent = []
        for unit in units:
            if not is_complete(unit.prediction_folder(self._out)):
                absent += [unit] * (_name(unit, PREDICTION_FILE) in self._names[unit.key])
            elif all(self._sizes.get(name) == (self._out / name).stat().st_size for name in self._local_names(unit)):
                self._versions[unit] = _version(unit, self._out)
            else:
                self.upload_unit(unit)
        self._wait()  # the run may delete files of a unit that it does again
        self._download(name for unit in absent if (name := _scores(unit)) in self._names[unit.key])
        done = {unit for unit in absent if read_finished(unit.score_file(self._out)).issuperset(metrics)}
        frozen = {unit for unit in units if unit.method.startswith(FROZEN_SELF)}
        done -= {unit.without_prefix(FROZEN_SELF) for unit in frozen - done}  # their predictions are still needed
        for unit in absent:
            if unit not in done:
                self._download_prediction(unit.key)
                self._versions[unit] = _version(unit, self._out)
        return frozenset(done)

    def restore_results(self) -> None:
        """Download what ``hoibench merge`` reads and the folder lacks: the records of all shards, all rows, and why units failed."""
        names = [name for name in self._sizes if _RECORD.match(name) or name.startswith("scores/")]
        names += [name for name in self._sizes if name.startswith("predictions/") and name.endswith(f"/{FAILURE_FILE}")]
        self._download(name for name in names if not (self._out / name).exists())

    def restore_clips(self, clips: Collection[str]) -> None:
        """Download the truth and all predictions of some clips (ids), unless the folder has them."""
        truth = [name for name in self._names["clips"] if name.split("/")[1] in clips]
        self._download(sorted((n for n in truth if not (self._out / n).exists()), key=lambda n: n.endswith(CLIP_FILE)))
        for key in [key for key in self._names if key.rpartition("/")[2] in clips]:
            if not is_complete(self._out / "predictions" / key):
                self._download_prediction(key)

    def upload(self, name: str) -> None:
        """Upload a file of the run's folder."""
        self._remote.upload(self._out, [name])

    def upload_unit(self, unit: Unit) -> None:
        """Begin to upload a unit after one of its stages; raises the error of an earlier upload."""
        while self._pending and (self._pending[0].done() or len(self._pending) > _MAX_PENDING):
            self._pending.popleft().result()
        thread = self._threads[
            zlib.crc32(unit.key.encode()) % _THREADS
        ]  # uploads of one unit never overtake each other
        self._pending.append(thread.submit(self._upload_unit, unit))

    def upload_results(self) -> None:
        """Wait for the uploads of units, then upload the files of no unit, such as the table and the page, but no other shard's record."""
        self._wait()
        paths = [*self._out.glob("[!.]*"), *(self._out / "logs").glob("*.log"), *(self._out / "leaderboard").rglob("*")]
        names = [path.relative_to(self._out).as_posix() for path in paths if path.is_file()]
        names = [name for name in names if not _RECORD.match(name) or name == self._record]
        self._remote.upload(self._out, sorted(names, key=lambda name: (name.endswith("index.html"), name)))

    def close(self) -> None:
        """Leave out the uploads that have not begun."""
        for thread in self._threads:
            thread.shutdown(cancel_futures=True)

    def _wait(self) -> None:
        while self._pending:
            self._pending.popleft().result()

    def _upload_unit(self, unit: Unit) -> None:
        marker, scores, known = _name(unit, PREDICTION_FILE), _scores(unit), self._names[unit.key]
        local, version = self._local_names(unit), _version(unit, self._out)
        is_new = version is None or self._versions.get(unit) != version
        outdated = known - set(local) | (known & {marker, scores} if is_new else set())
        self._remote.delete(sorted(outdated))
        known -= outdated
        if not is_new:
            local = [name for name in local if name not in known or name == scores]
        self._remote.upload(
            self._out, [*self._new_clip_files(unit.clip), *(n for n in local if n not in (marker, scores))]
        )
        for name in (marker, scores):
            self._remote.upload(self._out, [name] if name in local else [])
        known.update(local)
        self._versions[unit] = version

    def _local_names(self, unit: Unit) -> list[str]:
        """Return the names of a unit's files in the run's folder."""
        paths = [*unit.prediction_folder(self._out).glob("[!.]*"), unit.score_file(self._out), unit.log_file(self._out)]
        return [path.relative_to(self._out).as_posix() for path in paths if path.is_file()]

    def _new_clip_files(self, clip: str) -> list[str]:
        """Return the names of the files of a clip's truth that are not in the store, clip.json last; they are uploaded once."""
        folder = clip_folder(self._out, clip)
        paths = folder.glob("[!.]*") if (folder / CLIP_FILE).is_file() else ()
        new = {path.relative_to(self._out).as_posix() for path in paths} - self._names["clips"]
        self._names["clips"] |= new
        return sorted(new, key=lambda name: name.endswith(CLIP_FILE))

    def _download(self, names: Iterable[str]) -> None:
        self._remote.download(self._out, {name: self._sizes[name] for name in names})

    def _download_prediction(self, key: str) -> None:
        """Download the files of a unit's prediction, prediction.json last."""
        start = f"predictions/{key}/"
        names = [name for name in self._names[key] if name.startswith(start) and not name.endswith(f"/{FAILURE_FILE}")]
        if start + PREDICTION_FILE in names:
            self._download(sorted(names, key=(start + PREDICTION_FILE).__eq__))


@contextmanager
def open_mirror(address: str | None, out: Path) -> Iterator[Mirror | None]:
    """Open the mirror of the run in the folder ``out`` while the block runs; None without an address.

    Raises:
        RemoteFolderError: the store cannot be read or written; the message says that completed work is kept.
    """
    if address is None:
        yield None
        return
    try:
        mirror = Mirror(address, out)
        try:
            yield mirror
        finally:
            mirror.close()
    except RemoteFolderError as error:
        raise RemoteFolderError(
            f"--mirror {error}; completed work is kept in {out}: give the same command again"
        ) from error


def _owner(name: str) -> str:
    """Return the key of the unit of a file, ``clips`` for a file of a clip, or an empty text."""
    top, _, rest = name.partition("/")
    if top == "predictions":
        return rest.rpartition("/")[0]
    if top in ("scores", "logs"):
        return rest.removesuffix(".jsonl").removesuffix(".log")
    return "clips" if top == "clips" else ""


def _name(unit: Unit, file: str) -> str:
    return f"predictions/{unit.key}/{file}"


def _scores(unit: Unit) -> str:
    return f"scores/{unit.key}.jsonl"


def _version(unit: Unit, out: Path) -> int | None:
    """Return a number that changes when a unit's prediction is made again; None without one."""
    try:
        return (unit.prediction_folder(out) / PREDICTION_FILE).stat().st_mtime_ns
    except FileNotFoundError:
        return None
