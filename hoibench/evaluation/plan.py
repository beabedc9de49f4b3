"""The plan of a run: clips, entrants, metrics and units of work, all decided before any work is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hoibench import __version__
from hoibench.clip import DataKind
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset, Manifest, clip_set_id, sample_clips
from hoibench.evaluation.config import RunConfig, check_config, parse_shard
from hoibench.evaluation.identity import content_digest, entrant_identity
from hoibench.evaluation.reference_predictions import depends_on_seed, frozen_self_entrant, reference_specs
from hoibench.evaluation.unit import Unit
from hoibench.exclusions import ExclusionList, read_exclusions
from hoibench.methods.entrants import SettingMissing, select_entrants
from hoibench.methods.method import Entrant
from hoibench.methods.registry import adapter_spec
from hoibench.methods.spec import Spec
from hoibench.metric_card import Card, select_cards
from hoibench.plugins import UnknownName, is_built_in
from hoibench.predictions import has_seed_folders, is_complete
from hoibench.problems import Problem
from hoibench.reference_rows import FROZEN_SELF, PUBLISHED
from hoibench.results.run_record import RunRecord, seeds_on_clip
from hoibench.store import sha256_json
from hoibench.submissions.stored_spec import stored_spec
from hoibench.text import count

_PATHS = ("root", "weights", "checkpoint", "exclude")


@dataclass(frozen=True)
class Plan:
    """A run's configuration with every name resolved.

    Attributes:
        config: the settings.
        kind, has_truth: see ``Dataset``.
        manifest: the manifest of the split.
        entries: the run's clips, of all shards.
        entrants: the methods and reference rows, in the page's order.
        cards: the metrics.
        device: torch device of the networks.
        contents: a digest of each entrant's code or files by key; see ``content_digest``.
        folder: the working folder at the start, which a method may change.
        clips_to_generate: the run's clips that the data set does not have yet and generates.
        excluded: the digest of the clips that ``--exclude`` names; empty without it.
        warnings: what the settings leave without effect.
    """

    config: RunConfig
    kind: DataKind
    has_truth: bool
    manifest: Manifest
    entries: tuple[ClipEntry, ...]
    entrants: tuple[Entrant, ...]
    cards: tuple[Card, ...]
    device: str
    contents: Mapping[str, str]
    folder: Path
    clips_to_generate: tuple[ClipEntry, ...] = ()
    excluded: str = ""
    warnings: tuple[Problem, ...] = ()

    @property
    def clip_set_id(self) -> str:
        """The hash of the run's clips."""
        return clip_set_id(self.entries, self.manifest.truth_id)

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The units of this shard, clip by clip; a method comes before the rows that depend on its predictions."""
        i, n = parse_shard(self.config.shard) or (1, 1)
        return tuple(unit for entry in self.entries[i - 1 :: n] for unit in self.units_of(entry))

    def units_of(self, entry: ClipEntry) -> tuple[Unit, ...]:
        """Return the units of one clip: every entrant with every seed; on the first clip, a deterministic method has one seed more."""
        is_first = entry.id == self.entries[0].id
        return tuple(
            Unit(entrant.spec.id, entrant.preset, seed, entry.id)
            for entrant in self.entrants
            for seed in seeds_on_clip(
                self.seeds_of(entrant), is_first=is_first, deterministic=entrant.spec.deterministic
            )
        )

    def seeds_of(self, entrant: Entrant) -> tuple[int, ...]:
        """Return the seeds of an entrant; only the first one if its predictions do not depend on the seed, or it claims so."""
        return self._seeds[entrant.key]

    @cached_property
    def _seeds(self) -> dict[str, tuple[int, ...]]:
        """The seeds of each entrant by key; ``frozen_self`` rows have those of their source."""
        seeds = {e.key: self._own_seeds(e.spec) for e in self.entrants if not e.key.startswith(FROZEN_SELF)}
        frozen = [entrant.key for entrant in self.entrants if entrant.key.startswith(FROZEN_SELF)]
        return seeds | {key: seeds[key.removeprefix(FROZEN_SELF)] for key in frozen}

    def _own_seeds(self, spec: Spec) -> tuple[int, ...]:
        if spec.folder is not None:
            fixed = not has_seed_folders(spec.folder)
        else:
            fixed = (
                spec.deterministic
                or spec.kind == "published"
                or (spec.kind == "reference" and not depends_on_seed(spec.id))
            )
        return self.config.seeds[:1] if fixed else self.config.seeds

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the values of a run; a run can only be resumed with the same identity.

        Device, batch and paths are not part of it: digests of the contents replace folders, and each row has its device.
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
            **({"excluded": self.excluded} if self.excluded else {}),
        }

    @property
    def hash(self) -> str:
        """The hash of ``identity``."""
        return sha256_json(self.identity)

    @cached_property
    def units_left(self) -> tuple[Unit, ...]:
        """The units without a stored prediction when they were first asked for; with --no-resume, which starts again, all."""
        if not self.config.resume:
            return self.units
        return tuple(unit for unit in self.units if not is_complete(unit.prediction_folder(self.out)))

    @property
    def modules_of_workers(self) -> tuple[str, ...]:
        """The modules that a run's processes import once for all: the benchmark's own.  None on a GPU, which nothing may touch before a fork."""
        if self.device != "cpu" or self.config.executor != "local":
            return ()
        specs = [entrant.spec for entrant in self.entrants if is_built_in(entrant.spec.entry)]
        modules = ["hoibench.evaluation.worker_calls"]
        modules += filter(is_built_in, (card.entry.partition(":")[0] for card in self.cards))
        modules += ["torch"] * any(card.weights for card in self.cards)
        return tuple(dict.fromkeys([*modules, *(name for spec in specs for name in spec.preload)]))

    @property
    def out(self) -> Path:
        """The run's folder."""
        part = self.manifest.split.rpartition("/")[2]
        default = Path("runs") / f"{self.config.dataset}-{part}-{self.hash[:8]}"
        return self.folder / (self.config.out or default)


def make_plan(config: RunConfig, dataset: Dataset, device: str) -> Plan:
    """Resolve a configuration with the installed methods and metrics and the data set's clips.

    Raises:
        UnknownName: a method, preset, setting, metric or split does not exist; the message gives the nearest names.
        ValueError, FileNotFoundError: a setting is invalid, or a file is missing.
    """
    check_config(config)
    config = replace(
        config, **{name: path.absolute() for name in _PATHS if (path := getattr(config, name)) is not None}
    )
    manifest = read_manifest(config, dataset)
    if not manifest.entries:
        why = "; ".join(manifest.exclusion_summary[:3]) or "it is empty"
        raise ValueError(f"split {manifest.split} has no clip to score ({why})")
    entrants = choose_entrants(config, dataset, [adapter_spec(target) for target in config.adapter])
    cards = tuple(select_cards(config.metric_names))
    exclusions = None if config.exclude is None else read_exclusions(config.exclude)
    warnings = tuple(_find_idle_exclusions(manifest, exclusions))
    manifest, entries = _exclude(manifest, sample_clips(manifest.entries, config.limit), exclusions)
    contents = {
        entrant.key: content_digest(entrant.spec, dataset, [entry.id for entry in entries], config.seeds)
        for entrant in entrants
    }
    return Plan(
        config, dataset.kind, dataset.has_truth, manifest, entries, entrants, cards, device,
        {name: content for name, content in contents.items() if content}, Path.cwd(),
        dataset.clips_to_generate(entries), "" if exclusions is None else exclusions.digest, warnings,
    )  # fmt: skip


def _exclude(
    manifest: Manifest, entries: tuple[ClipEntry, ...], exclusions: ExclusionList | None
) -> tuple[Manifest, tuple[ClipEntry, ...]]:
    """Return the manifest with the reason why clips are excluded, and the other entries.

    Entries are excluded after the sample of ``--limit`` is drawn, so that a run with and one without have the same sample but for these.

    Raises:
        ValueError: all clips are excluded.
    """
    if exclusions is None:
        return manifest, entries
    left = tuple(entry for entry in entries if entry.id not in exclusions.ids)
    if not left:
        raise ValueError(f"--exclude {exclusions.name} excludes all {len(entries)} clips")
    reasons = {entry.id: f"listed in {exclusions.name}" for entry in entries if entry.id in exclusions.ids}
    return replace(manifest, left_out={**manifest.left_out, **reasons}), left


def _find_idle_exclusions(manifest: Manifest, exclusions: ExclusionList | None) -> Iterator[Problem]:
    """Yield a problem if a list excludes no clip of the split."""
    if exclusions is not None and exclusions.ids.isdisjoint(entry.id for entry in manifest.entries):
        found = f"excludes none of the {count(len(manifest.entries), 'clip')} of {manifest.split}"
        yield Problem(f"--exclude {exclusions.name}", "", found, "", "")


def plan_from_record(record: RunRecord, config: RunConfig, dataset: Dataset, device: str) -> Plan:
    """Build the plan for scoring a finished run again; its methods need not be installed.

    Args:
        record: the run's record.
        config: the run's settings, with changes such as root, weights, workers, out.
        dataset: the data set on this machine.
        device: torch device of the metrics' networks.

    Raises:
        UnknownName: a metric or the split of the run does not exist.
        ValueError: the data set has other truth, or lacks clips of the run.
    """
    manifest = read_manifest(config, dataset)
    entries = record.clips
    missing = [entry.id for entry in entries if entry not in manifest.entries]
    if manifest.truth_id != record.truth_id or missing:
        why = (
            f"lacks {', '.join(missing[:3])}"
            if missing
            else f"has truth {manifest.truth_id!r}, not {record.truth_id!r}"
        )
        raise ValueError(f"the data set {record.dataset} {why}: rescore on the machine of the run, or start a new run")
    entrants = []
    for method in record.methods:
        names = ("id", "name", "kind", "families", "regions", "outputs", "view_type", "pairing")
        spec = Spec(**{name: value for name in names if (value := getattr(method, name)) is not None})
        entrants.append(Entrant(spec, method.preset))
    return Plan(
        config, record.kind, record.has_truth, manifest, entries, tuple(entrants), tuple(select_cards(record.metrics)),
        device, {}, Path.cwd(),
    )  # fmt: skip


def read_manifest(config: RunConfig, dataset: Dataset) -> Manifest:
    """Return the manifest of the split of a run; raises the errors of ``Dataset.manifest``."""
    split = config.split or dataset.default_split
    return dataset.padded_manifest(split) if config.short == "pad" else dataset.manifest(split)


def choose_entrants(config: RunConfig, dataset: Dataset, adapters: Sequence[Spec]) -> tuple[Entrant, ...]:
    """Return the entrants in the given order, then, if the data set has truth, the reference rows.

    Each method is followed by its ``frozen_self`` row if the data set has truth or the row was named.  ``adapters`` are the specs of the
    ``--adapter`` files.  Raises the errors of ``select_entrants``.
    """
    published = {
        f"{PUBLISHED}{name}": Spec(id=PUBLISHED + name, name=title, kind="published")
        for name, title in dataset.published().items()
    }
    references = reference_specs() if dataset.has_truth else {}
    names = list(config.method) or ([] if adapters else list(published))
    if not names and not adapters:
        raise ValueError(
            "--method is missing: give NAME (hoibench ls methods), NAME=FOLDER or NAME=FILE.zip, or --adapter FILE.py:CLASS"
        )
    frozen_names = [name for name in names if name.startswith(FROZEN_SELF)]
    try:
        chosen = select_entrants(
            [name for name in names if name not in frozen_names], adapters, [*published.values(), *references.values()],
            settings=config.set, preset=config.preset, checkpoint=config.checkpoint, stored=stored_spec,
        )  # fmt: skip
    except SettingMissing as error:
        if not config.keep_going:
            raise
        chosen = list(error.entrants)  # preflight finds what is missing
    keys = [FROZEN_SELF + entrant.key for entrant in chosen]
    for name in frozen_names:
        if name not in keys:
            raise UnknownName("method", name, keys)
    entrants: dict[str, Entrant] = {}
    for entrant in chosen:
        entrants[entrant.key] = entrant
        frozen = frozen_self_entrant(entrant)
        is_usual = config.frozen_self and dataset.has_truth and entrant.spec.kind == "method"
        if frozen.key in frozen_names or is_usual:
            entrants[frozen.key] = frozen
    missing = {key: Entrant(spec) for key, spec in references.items() if key not in entrants}
    return tuple((entrants | missing).values())
