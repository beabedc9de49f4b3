"""The plan of a run, decided before anything is done: clips, entrants, metrics and the units of work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from hoibench import __version__
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset, Manifest, clip_set_id, sample_clips
from hoibench.evaluation.config import RunConfig, check_config, parse_shard
from hoibench.evaluation.identity import content_digest, entrant_identity
from hoibench.evaluation.references import frozen_self_entrant, is_seeded, reference_specs
from hoibench.evaluation.unit import Unit
from hoibench.methods.entrants import select_entrants
from hoibench.methods.method import Entrant
from hoibench.methods.spec import Spec
from hoibench.metric_card import Card, select_cards
from hoibench.plugins import UnknownName
from hoibench.predictions import has_seed_folders
from hoibench.reference_rows import FROZEN_SELF, PUBLISHED
from hoibench.results.run_record import RunRecord
from hoibench.store import sha256_json

_PATHS = ("root", "weights", "checkpoint")


@dataclass(frozen=True)
class Plan:
    """A run, decided: the configuration with every name resolved.

    ``entries`` are all clips of the run; ``units`` are those of this shard, clip by clip, a method's own before rows made from it;
    ``contents`` holds a digest of what each entrant is made of (see ``content_digest``); ``folder`` is where the command was given, so that
    a method which changes the working folder takes nothing elsewhere.
    """

    config: RunConfig
    kind: Literal["measured", "synthetic"]
    has_truth: bool
    manifest: Manifest
    entries: tuple[ClipEntry, ...]
    entrants: tuple[Entrant, ...]
    cards: tuple[Card, ...]
    device: str
    contents: Mapping[str, str]
    folder: Path

    @property
    def clip_set_id(self) -> str:
        """Hash of the clips that are scored."""
        return clip_set_id(self.entries, self.manifest.truth_id)

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The units of this shard."""
        i, n = parse_shard(self.config.shard) or (1, 1)
        return tuple(unit for entry in self.entries[i - 1 :: n] for unit in self.units_of(entry))

    def units_of(self, entry: ClipEntry) -> tuple[Unit, ...]:
        """The units of one clip."""
        return tuple(
            Unit(entrant.spec.id, entrant.preset, seed, entry.id)
            for entrant in self.entrants
            for seed in self.seeds_of(entrant)
        )

    def seeds_of(self, entrant: Entrant) -> tuple[int, ...]:
        """The seeds of an entrant; what never changes with the seed is made once, for the first."""
        spec = entrant.spec
        if spec.id.startswith(FROZEN_SELF):
            own = entrant.key.removeprefix(FROZEN_SELF)
            return self.seeds_of(next(other for other in self.entrants if other.key == own))
        if spec.folder is not None:
            fixed = not has_seed_folders(spec.folder)
        else:
            fixed = spec.kind == "published" or (spec.kind == "reference" and not is_seeded(spec.id))
        return self.config.seeds[:1] if fixed else self.config.seeds

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the values of a run; a run resumes only under the same.

        Device, batch and where things lie do not: contents stand for folders, and rows hold the device.
        """
        config = self.config
        return {
            "hoibench": __version__,
            "dataset": config.dataset,
            "split": self.manifest.split,
            "split_id": self.manifest.split_id,
            "clip_set_id": self.clip_set_id,
            "methods": [entrant_identity(entrant, self.contents.get(entrant.key)) for entrant in self.entrants],
            "metrics": [card.id for card in self.cards],
            "seeds": list(config.seeds),
            "precision": config.precision,
            "short": config.short,
        }

    @property
    def hash(self) -> str:
        """The hash of ``identity``."""
        return sha256_json(self.identity)

    @property
    def out(self) -> Path:
        """The run's folder."""
        part = self.manifest.split.rpartition("/")[2]
        default = Path("runs") / f"{self.config.dataset}-{part}-{self.hash[:8]}"
        return self.folder / (self.config.out or default)


def make_plan(config: RunConfig, dataset: Dataset, device: str) -> Plan:
    """Resolve a configuration against what is installed and what the data set holds.

    Raises:
        UnknownName: a method, preset, setting, metric or split does not exist; gives the nearest names.
        ValueError, FileNotFoundError: a setting no run can have, or a file that is missing.
    """
    check_config(config)
    config = replace(
        config, **{name: path.absolute() for name in _PATHS if (path := getattr(config, name)) is not None}
    )
    manifest = _manifest(config, dataset)
    if not manifest.entries:
        why = "; ".join(manifest.exclusion_summary[:3]) or "it is empty"
        raise ValueError(f"split {manifest.split} gives no clip to score ({why})")
    entrants = _select(config, dataset)
    cards = tuple(select_cards(config.metric_names))
    entries = sample_clips(manifest.entries, config.limit)
    contents = {
        entrant.key: content_digest(entrant.spec, dataset, [entry.id for entry in entries], config.seeds)
        for entrant in entrants
    }
    return Plan(
        config, dataset.kind, dataset.has_truth, manifest, entries, entrants, cards, device,
        {name: content for name, content in contents.items() if content}, Path.cwd(),
    )  # fmt: skip


def plan_of_record(record: RunRecord, config: RunConfig, dataset: Dataset, device: str) -> Plan:
    """The plan of a run that was made, to score its predictions anew; its methods need not be installed here.

    Args:
        record: of the run.
        config: the run's settings, with what differs here (root, weights, workers, out).
        dataset: the data set, as it is here.
        device: torch device of the metrics' networks.

    Raises:
        UnknownName: the run has a metric or a split that is not there.
        ValueError: the data set has other truth, or lacks clips of the run; says which.
    """
    manifest = _manifest(config, dataset)
    entries = record.clips
    missing = [entry.id for entry in entries if entry not in manifest.entries]
    if manifest.truth_id != record.truth_id or missing:
        why = (
            f"lacks {', '.join(missing[:3])}"
            if missing
            else f"has truth {manifest.truth_id!r}, not {record.truth_id!r}"
        )
        raise ValueError(f"the data set {record.dataset} {why}: score it where the run was made, or run it anew")
    entrants = []
    for method in record.methods:
        names = ("id", "name", "kind", "families", "regions", "outputs", "view_type", "pairing")
        facts = {name: value for name in names if (value := getattr(method, name)) is not None}
        spec = Spec(**facts)
        entrants.append(Entrant(spec, method.preset))
    return Plan(
        config, record.kind, record.has_truth, manifest, entries, tuple(entrants), tuple(select_cards(record.metrics)),
        device, {}, Path.cwd(),
    )  # fmt: skip


def _manifest(config: RunConfig, dataset: Dataset) -> Manifest:
    clips_of = dataset.padded_manifest if config.short == "pad" else dataset.manifest
    return clips_of(config.split or dataset.default_split)


def _select(config: RunConfig, dataset: Dataset) -> tuple[Entrant, ...]:
    """Entrants in the order asked for, each method followed by its first frame held, then the reference rows where there is truth."""
    published = {
        f"{PUBLISHED}{name}": Spec(id=PUBLISHED + name, name=title, kind="published")
        for name, title in dataset.published().items()
    }
    references = reference_specs() if dataset.has_truth else {}
    names = list(config.method) or ([] if config.adapter else list(published))
    if not names and not config.adapter:
        raise ValueError("no method: give --method NAME (hoibench ls methods), NAME=FOLDER, or --adapter FILE.py:CLASS")
    own = [name for name in names if name.startswith(FROZEN_SELF)]
    chosen = select_entrants(
        [name for name in names if name not in own], config.adapter, [*published.values(), *references.values()],
        settings=config.set, preset=config.preset, checkpoint=config.checkpoint,
    )  # fmt: skip
    keys = [FROZEN_SELF + entrant.key for entrant in chosen]
    for name in own:
        if name not in keys:
            raise UnknownName("method", name, keys)
    entrants: dict[str, Entrant] = {}
    for entrant in chosen:
        entrants[entrant.key] = entrant
        frozen = frozen_self_entrant(entrant)
        if frozen.key in own or (dataset.has_truth and entrant.spec.kind == "method"):
            entrants[frozen.key] = frozen
    missing = {key: Entrant(spec) for key, spec in references.items() if key not in entrants}
    return tuple((entrants | missing).values())
