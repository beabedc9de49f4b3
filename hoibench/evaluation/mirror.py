"""The mirror of a run: a copy of its folder in an object store, from which a machine that lacks the folder goes on.

A run works in its local folder.  What is complete there is uploaded and never replaced; what is complete in the store alone counts as done.
For ``hoibench merge`` it is the store that counts.
Of a unit prediction.json comes last, as on disk, and then its rows: a unit that is half uploaded is done again.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hoibench.clip_file import CLIP_FILE
from hoibench.evaluation.build_run_record import RunRefused
from hoibench.evaluation.failures import FAILURE_FILE
from hoibench.evaluation.identity import differences
from hoibench.evaluation.mirror_uploads import CLIPS, UnitUploads, local_names, prediction_name, score_name
from hoibench.evaluation.unit import Unit
from hoibench.predictions import PREDICTION_FILE, is_complete
from hoibench.reference_rows import FROZEN_SELF
from hoibench.results.run_record import RunRecord
from hoibench.results.score_file import read_finished
from hoibench.store import canonical_json
from hoibench.store.atomic import write_bytes
from hoibench.store.remote_folder import RemoteFolder, RemoteFolderError

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
        self._names: defaultdict[str, set[str]] = defaultdict(set)  # by ``_owner``
        for name in self._sizes:
            self._names[_owner(name)].add(name)
        self._uploads = UnitUploads(self._remote, out, self._names)
        self._is_newer = False  # the store's predictions are those of the rows, not the folder's
        self._record = "run.json"

    @property
    def records(self) -> list[str]:
        """The names of the records in the store: run.json, or those of the shards."""
        return sorted(filter(_RECORD.match, self._names[""]))

    def restore_record(self, name: str, identity: Mapping[str, Any]) -> None:
        """Download the record ``name`` of an earlier start, or that of another shard, and the log, unless the folder has them.

        Args:
            name: the file name of the record of this run or shard.
            identity: see ``Plan.identity``.

        Raises:
            RunRefused: the store has a run with other settings, or its record is damaged.
        """
        self._record = name
        records = self.records
        if not records:
            return
        found = name if name in records else records[0]
        self._check_identity(self._parse_record(found, self._remote.read(found)).identity, identity)
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
        absent: list[Unit] = []
        same_sizes: dict[str, Unit] = {}
        for unit in units:
            if not is_complete(unit.prediction_folder(self._out)):
                if prediction_name(unit, PREDICTION_FILE) in self._names[unit.key]:
                    absent.append(unit)
            elif all(
                self._sizes.get(name) == (self._out / name).stat().st_size for name in local_names(unit, self._out)
            ):
                same_sizes[prediction_name(unit, PREDICTION_FILE)] = unit
            else:
                self.upload_unit(unit)
        for name, contents in self._remote.read_all({name: self._sizes[name] for name in same_sizes}):
            if contents == (self._out / name).read_bytes():  # it has the hashes of the others
                self._uploads.note_same(same_sizes[name])
            else:
                self.upload_unit(same_sizes[name])
        for clip in {unit.clip for unit in units}:
            self._uploads.upload_clip(clip)
        self._uploads.wait()  # the run may delete files of a unit that it does again
        self._download(name for unit in absent if (name := score_name(unit)) in self._names[unit.key])
        done = {unit for unit in absent if read_finished(unit.score_file(self._out)).issuperset(metrics)}
        frozen = {unit for unit in units if unit.method.startswith(FROZEN_SELF)}
        done -= {unit.without_prefix(FROZEN_SELF) for unit in frozen - done}  # their predictions are still needed
        for unit in absent:
            if (failure := prediction_name(unit, FAILURE_FILE)) not in self._names[unit.key]:
                (self._out / failure).unlink(missing_ok=True)
            if unit not in done:
                self._download_prediction(unit.key)
                self._uploads.note_same(unit)
        return frozenset(done)

    def restore_results(self) -> None:
        """Download what ``hoibench merge`` reads: the records of all shards, all rows, and why units failed.

        If the store's run or all its shards are finished, its rows and failures replace those of the folder; else they are added to them.

        Raises:
            RunRefused: the store has no run, a damaged record, or another run than the folder.
        """
        contents = dict(self._remote.read_all({name: self._sizes[name] for name in self.records}))
        if not contents:
            raise RunRefused(f"--mirror {self._remote.address} has no run: correct the address")
        stored = {name: self._parse_record(name, data) for name, data in contents.items()}
        for path in filter(lambda path: _RECORD.match(path.name), self._out.glob("run*.json")):
            self._check_identity(next(iter(stored.values())).identity, RunRecord.read(path).identity)
        shards = [record for record in stored.values() if record.shard is not None]
        self._is_newer = all(record.exit.is_finished for record in shards or stored.values())
        wanted = {name for name in self._sizes if _is_result(name)}
        found = {path.relative_to(self._out).as_posix() for path in self._out.glob("[ps]*/**/[!.]*.json*")}
        found = set(filter(_is_result, found))
        if self._is_newer:
            for name in found - wanted:
                (self._out / name).unlink()
        self._download(sorted(wanted if self._is_newer else wanted - found))
        for name, data in contents.items():  # at last, as they say that the rest is complete
            write_bytes(self._out / name, data)

    def restore_clips(self, clips: Collection[str]) -> None:
        """Download the truth and all predictions of some clips (ids), unless the folder has them, after a merge those of the rows."""
        self._uploads.wait()
        truth = [name for name in self._names[CLIPS] if name.split("/")[1] in clips]
        self._download(sorted((n for n in truth if not (self._out / n).exists()), key=lambda n: n.endswith(CLIP_FILE)))
        for key in [key for key in self._names if key.rpartition("/")[2] in clips]:
            if not is_complete(self._out / "predictions" / key) or (self._is_newer and not self._is_same(key)):
                self._download_prediction(key)

    def upload(self, name: str) -> None:
        """Upload a file of the run's folder."""
        self._remote.upload(self._out, [name])

    def upload_unit(self, unit: Unit) -> None:
        """Begin to upload a unit after one of its stages; raises the error of an earlier upload."""
        self._uploads.begin(unit)

    def upload_results(self) -> None:
        """Wait for the uploads of units, then upload the files of no unit, such as the table and the page, but no other shard's record."""
        self._uploads.wait()
        paths = [*self._out.glob("[!.]*"), *(self._out / "logs").glob("*.log"), *(self._out / "leaderboard").rglob("*")]
        names = [path.relative_to(self._out).as_posix() for path in paths if path.is_file()]
        names = [name for name in names if not _RECORD.match(name) or name == self._record]
        self._remote.upload(self._out, sorted(names, key=lambda name: (name.endswith("index.html"), name)))

    def close(self) -> None:
        """Leave out the uploads that have not begun."""
        self._uploads.close()

    def _download(self, names: Iterable[str]) -> None:
        self._remote.download(self._out, {name: self._sizes[name] for name in names})

    def _is_same(self, key: str) -> bool:
        """Return True if the folder and the store have the same prediction of a unit, by their prediction.json."""
        name = f"predictions/{key}/{PREDICTION_FILE}"
        return name not in self._names[key] or self._remote.read(name) == (self._out / name).read_bytes()

    def _parse_record(self, name: str, data: bytes) -> RunRecord:
        try:
            return RunRecord.from_bytes(data, f"{self._remote.address}/{name}")
        except ValueError as error:
            raise RunRefused(f"{error}; or give another --mirror") from error

    def _check_identity(self, stored: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
        if changed := differences(stored, json.loads(canonical_json(identity))):
            listed = "\n  ".join(changed)
            raise RunRefused(
                f"--mirror {self._remote.address} has a run with other settings:\n  {listed}\nGive another --mirror."
            )

    def _download_prediction(self, key: str) -> None:
        """Download the files of a unit's prediction, prediction.json last."""
        start = f"predictions/{key}/"
        names = [name for name in self._names[key] if name.startswith(start) and not name.endswith(f"/{FAILURE_FILE}")]
        if start + PREDICTION_FILE in names:
            (self._out / start / PREDICTION_FILE).unlink(missing_ok=True)
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
            f"--mirror {error}, then give the command again; completed work is kept in {out}"
        ) from error


def _owner(name: str) -> str:
    """Return the key of the unit of a file, ``CLIPS`` for a file of a clip, or an empty text."""
    top, _, rest = name.partition("/")
    if top == "predictions":
        return rest.rpartition("/")[0]
    if top in ("scores", "logs"):
        return rest.removesuffix(".jsonl").removesuffix(".log")
    return CLIPS if top == CLIPS else ""


def _is_result(name: str) -> bool:
    """Return True for the name of a file with the rows of a unit, or with the reason why it failed."""
    return name.startswith("scores/") or (name.startswith("predictions/") and name.endswith(f"/{FAILURE_FILE}"))
