"""What a run will do, decided before anything is done: clips, methods, metrics and the units of work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hoibench import __version__
from hoibench.clip import DataKind
from hoibench.datasets.base import ClipEntry, Dataset, Manifest, clips_id, take
from hoibench.evaluation.config import RunConfig, check_config, identity_hash, parse_shard
from hoibench.evaluation.references import is_seeded, own_frozen_spec, reference_specs
from hoibench.methods.references import OWN_FROZEN, PUBLISHED
from hoibench.methods.registry import select_specs
from hoibench.methods.spec import Spec
from hoibench.metrics.card import Card, select_cards
from hoibench.plugins import UnknownName, source_file
from hoibench.predictions import has_seed_folders
from hoibench.store import files_digest, sha256_file

_PATHS = ("root", "weights", "checkpoint")


@dataclass(frozen=True)
class Unit:
    """The unit of work and of resuming: one method (with its preset) on one clip with one seed."""

    method: str
    preset: str | None
    seed: int
    clip: str

    @property
    def key(self) -> str:
        """``METHOD[+PRESET]/seed-S/CLIP``, the unit's path in a run."""
        return f"{self.method}{f'+{self.preset}' if self.preset else ''}/seed-{self.seed}/{self.clip}"

    def prediction(self, run: Path) -> Path:
        """The folder of its prediction."""
        return run / "predictions" / self.key

    def scores(self, run: Path) -> Path:
        """The file of its rows."""
        return run / "scores" / f"{self.key}.jsonl"


@dataclass(frozen=True)
class Plan:
    """A run, decided: the configuration with every name resolved.

    ``entries`` are all clips of the run; ``units`` are those of this shard, clip by clip, a method's own before rows made from it;
    ``contents`` holds a digest of each method's code or files; ``folder`` is where the command was given, so that a method which changes the
    working folder takes nothing elsewhere.
    """

    config: RunConfig
    kind: DataKind
    has_truth: bool
    manifest: Manifest
    entries: tuple[ClipEntry, ...]
    specs: tuple[Spec, ...]
    cards: tuple[Card, ...]
    device: str
    contents: Mapping[str, str]
    folder: Path

    @property
    def clips_id(self) -> str:
        """Hash of the clips that are scored."""
        return clips_id(self.entries, self.manifest.truth_id)

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The units of this shard."""
        i, n = parse_shard(self.config.shard) or (1, 1)
        return tuple(unit for entry in self.entries[i - 1 :: n] for unit in self.units_of(entry))

    def units_of(self, entry: ClipEntry) -> tuple[Unit, ...]:
        """The units of one clip."""
        units = []
        for spec in self.specs:
            units += [Unit(spec.id, self.preset_of(spec), seed, entry.id) for seed in self.seeds_of(spec)]
        return tuple(units)

    def preset_of(self, spec: Spec) -> str | None:
        """The run's preset, for a method that declares any."""
        return self.config.preset if spec.presets else None

    def seeds_of(self, spec: Spec) -> tuple[int, ...]:
        """The seeds of a method; what never changes with the seed is made once, for the first."""
        if spec.id.startswith(OWN_FROZEN):
            own = spec.id.removeprefix(OWN_FROZEN)
            return self.seeds_of(next(other for other in self.specs if other.id == own))
        if spec.folder is not None:
            fixed = not has_seed_folders(spec.folder)
        else:
            fixed = spec.kind == "published" or (spec.kind == "reference" and not is_seeded(spec.id))
        return self.config.seeds[:1] if fixed else self.config.seeds

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the values of a run; a run resumes only under the same."""
        config = self.config
        return {
            "hoibench": __version__,
            "dataset": config.dataset,
            "root": None if config.root is None else str(config.root.resolve()),
            "split": self.manifest.split,
            "split_id": self.manifest.split_id,
            "clips_id": self.clips_id,
            "methods": [_method_identity(spec, self.contents.get(spec.id)) for spec in self.specs],
            "metrics": [card.id for card in self.cards],
            "seeds": list(config.seeds),
            "preset": config.preset,
            "checkpoint": None if config.checkpoint is None else _digest(config.checkpoint),
            "precision": config.precision,
            "short": config.short,
            "device": self.device,
            "batch": config.batch,
        }

    @property
    def hash(self) -> str:
        """The hash of ``identity``."""
        return identity_hash(self.identity)

    @property
    def out(self) -> Path:
        """The run's folder."""
        part = self.manifest.split.rpartition("/")[2]
        default = Path("runs") / f"{self.config.dataset}-{part}-{self.hash[:8]}"
        return self.folder / (self.config.out or default)


def make_plan(config: RunConfig, dataset: Dataset, device: str) -> Plan:
    """Resolve a configuration against what is installed and what the data set holds.

    Raises:
        UnknownName: a method, metric, split or preset does not exist; gives the nearest names.
        ValueError, FileNotFoundError: a setting no run can have, or a file that is missing.
    """
    check_config(config)
    config = replace(
        config, **{name: path.absolute() for name in _PATHS if (path := getattr(config, name)) is not None}
    )
    clips_of = dataset.padded if config.short == "pad" else dataset.manifest
    manifest = clips_of(config.split or dataset.default_split)
    if not manifest.entries:
        why = "; ".join(manifest.left_out_told[:3]) or "it is empty"
        raise ValueError(f"split {manifest.split} gives no clip to score ({why})")
    specs = _select_methods(config, dataset)
    cards = tuple(select_cards(config.metric_names))
    entries = take(manifest.entries, config.limit)
    contents = {spec.id: _content(spec, dataset) for spec in specs}
    return Plan(
        config, dataset.kind, dataset.has_truth, manifest, entries, specs, cards, device,
        {name: content for name, content in contents.items() if content}, Path.cwd(),
    )  # fmt: skip


def _select_methods(config: RunConfig, dataset: Dataset) -> tuple[Spec, ...]:
    """Methods in the order asked for, each followed by its frozen self, then the reference rows where there is truth."""
    published = {
        f"{PUBLISHED}{name}": Spec(PUBLISHED + name, name=title, kind="published")
        for name, title in dataset.published().items()
    }
    references = reference_specs() if dataset.has_truth else {}
    names = list(config.method) or ([] if config.adapter else list(published))
    if not names and not config.adapter:
        raise ValueError("no method: give --method NAME (hoibench ls methods), NAME=FOLDER, or --adapter FILE.py:CLASS")
    own = [name for name in names if name.startswith(OWN_FROZEN)]
    plain = [name for name in names if name not in own]
    chosen = select_specs(plain, config.adapter, [*published.values(), *references.values()], config.preset)
    wanted = {spec.id: spec for spec in chosen}
    for name in own:
        if name.removeprefix(OWN_FROZEN) not in wanted:
            raise UnknownName("method", name, [OWN_FROZEN + key for key in wanted])
    specs: dict[str, Spec] = {}
    for spec in chosen:
        specs[spec.id] = spec
        frozen = own_frozen_spec(spec)
        if frozen.id in own or (dataset.has_truth and spec.kind == "method"):
            specs[frozen.id] = frozen
    return tuple((specs | {key: spec for key, spec in references.items() if key not in specs}).values())


def _method_identity(spec: Spec, content: str | None) -> dict[str, Any]:
    facts = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(spec).items()}
    return facts | {"folder": None if spec.folder is None else str(spec.folder), "content": content}


def _content(spec: Spec, dataset: Dataset) -> str | None:
    """A digest of what a method is made of, as far as it is at hand: its module's file, its folder of predictions, its published files."""
    if spec.kind == "published":
        return dataset.published_id(spec.id.removeprefix(PUBLISHED))
    if spec.folder is not None:
        return _digest(spec.folder)
    source = source_file(spec.entry) if spec.entry else None
    return None if source is None else sha256_file(source)[:12]


def _digest(path: Path) -> str:
    if path.is_file():
        return files_digest(path.parent, [path])
    return files_digest(path, (item for item in path.rglob("*") if item.is_file()))


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, a line each."""
    lines = []
    for key in [*old, *(key for key in new if key not in old)]:
        a, b = old.get(key), new.get(key)
        if a == b:
            continue
        if isinstance(a, list) and isinstance(b, list):
            named_a, named_b = _by_name(a), _by_name(b)
            gone, come = [n for n in named_a if n not in named_b], [n for n in named_b if n not in named_a]
            changed = [
                f"{n} ({_changes(named_a[n], named_b[n])})"
                for n in named_a
                if n in named_b and named_a[n] != named_b[n]
            ]
            told = (_list("without", gone), _list("with", come), _list("other", changed))
            lines.append(f"{key}: " + ("; ".join(filter(None, told)) or "in another order"))
        else:
            lines.append(f"{key}: {a} -> {b}")
    return lines


def _by_name(items: list[Any]) -> dict[str, Any]:
    return {str(item["id"]) if isinstance(item, dict) else str(item): item for item in items}


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {a.get(key)} -> {b.get(key)}" for key in {**a, **b} if a.get(key) != b.get(key))


def _list(word: str, names: list[str]) -> str:
    return f"{word} {', '.join(names)}" if names else ""
