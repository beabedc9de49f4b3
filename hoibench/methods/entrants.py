"""The entrants of a run: which methods take part, each with its preset and its settings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hoibench.methods.method import Entrant
from hoibench.methods.registry import adapter_spec, folder_spec, installed_specs
from hoibench.methods.spec import Setting, SettingValue, Spec
from hoibench.plugins import UnknownName

_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def select_entrants(
    names: Iterable[str],
    adapters: Iterable[str] = (),
    built_in: Iterable[Spec] = (),
    *,
    settings: Sequence[str] = (),
    preset: str | None = None,
    checkpoint: Path | None = None,
) -> list[Entrant]:
    """The entrants of a run, each once, in the order named; adapters that no name mentions come last.

        select_entrants(["syncmv4d+micro", "das"], settings=["das.upstream=/opt/das"])

    Args:
        names: ``METHOD``, ``METHOD+PRESET``, or ``NAME=FOLDER`` for predictions on disk.
        adapters: ``path/to/file.py:Class`` targets.
        built_in: specs that the evaluation brings itself (reference rows, published outputs).
        settings: ``METHOD.KEY=VALUE`` or ``METHOD+PRESET.KEY=VALUE``; the last one of a key counts.
        preset: the preset of the one method that is named without and declares any.
        checkpoint: the setting ``checkpoint`` of the one entrant that declares it.

    Raises:
        UnknownName: there is no such method, preset, entrant or setting; gives the nearest names.
        ValueError: an adapter or folder takes a name that is already used, a value is not of its setting's type, or a shorthand fits
            several entrants; names them.
        FileNotFoundError: a path that a setting names does not exist.
    """
    known, added = _known_specs(adapters, built_in)
    chosen: dict[str, tuple[Spec, str | None]] = {}
    for text in names:
        name, has_folder, folder = text.partition("=")
        if has_folder:
            if name in known or name in chosen:
                raise ValueError(f"--method {text}: {name!r} is already a method of this run; choose another name")
            chosen[name] = folder_spec(name, Path(folder)), None
            continue
        method, _, variant = name.partition("+")
        if method not in known:
            raise UnknownName("method", method, known)
        _check_preset(known[method], variant)
        chosen[name] = known[method], variant or None
    named = {spec.id for spec, _ in chosen.values()}
    chosen |= {spec.id: (spec, None) for spec in added if spec.id not in named}
    if preset is not None:
        _give_preset(chosen, preset)
    entrants: dict[str, Entrant] = {}
    for spec, named_preset in chosen.values():
        if spec.status == "unreleased" and spec.folder is None:
            raise ValueError(f"--method {spec.id}: its code is not released; score predictions by {spec.id}=FOLDER")
        preset = named_preset or next(iter(spec.presets), None)
        entrant = Entrant(spec if preset is None else spec.with_preset(preset), preset)
        entrants[entrant.key] = entrant
    return _with_settings(entrants, settings, checkpoint)


def _known_specs(adapters: Iterable[str], built_in: Iterable[Spec]) -> tuple[dict[str, Spec], list[Spec]]:
    known = {spec.id: spec for spec in built_in} | installed_specs()
    reserved = set(known)
    added = [adapter_spec(target) for target in adapters]
    for spec in added:
        if spec.id in reserved:
            raise ValueError(f"adapter {spec.entry}: a plug-in cannot replace the built-in method {spec.id!r}")
        if spec.id in known:
            raise ValueError(f"adapters {known[spec.id].entry} and {spec.entry} both have the id {spec.id!r}")
        known[spec.id] = spec
    return known, added


def _check_preset(spec: Spec, name: str) -> None:
    if name and not spec.presets:
        raise ValueError(f"--method {spec.id}+{name}: {spec.id} declares no presets; leave out +{name}")
    if name and name not in spec.presets:
        raise UnknownName(f"preset of {spec.id}", name, spec.presets)


def _give_preset(chosen: dict[str, tuple[Spec, str | None]], preset: str) -> None:
    """Fill in ``--preset`` where just one method can take it."""
    takers = [name for name, (spec, variant) in chosen.items() if spec.presets and variant is None]
    if not takers:
        raise ValueError(f"--preset {preset}: no method of this run that was named without a preset declares any")
    if len(takers) > 1:
        each = " ".join(f"--method {name}+PRESET" for name in takers)
        raise ValueError(f"--preset {preset}: {' and '.join(takers)} could take it; say which by {each}")
    spec = chosen[takers[0]][0]
    _check_preset(spec, preset)
    chosen[takers[0]] = spec, preset


def _with_settings(entrants: Mapping[str, Entrant], settings: Sequence[str], checkpoint: Path | None) -> list[Entrant]:
    given: dict[str, dict[str, SettingValue]] = {key: {} for key in entrants}
    for text in settings:
        key, name, value = _split(text, entrants)
        given[key][name] = _parse(f"--set {text}", _setting(entrants[key], name), value)
    if checkpoint is not None:
        key, where = _taker_of_checkpoint(entrants, checkpoint), f"--checkpoint {checkpoint}"
        path = _parse(where, _setting(entrants[key], "checkpoint"), str(checkpoint))
        if given[key].setdefault("checkpoint", path) != path:
            raise ValueError(f"{where}: {key} is also given {given[key]['checkpoint']}; leave one of them out")
    return [replace(entrant, settings=_defaults(entrant, given[key]) | given[key]) for key, entrant in entrants.items()]


def _defaults(entrant: Entrant, given: Mapping[str, SettingValue]) -> dict[str, SettingValue]:
    defaults: dict[str, SettingValue] = {}
    for name, setting in entrant.spec.settings.items():
        value = setting.default
        if name == "checkpoint" and entrant.preset is not None:
            value = entrant.spec.presets[entrant.preset].checkpoint or value
        if value is not None and name not in given:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            defaults[name] = _parse(f"{entrant.key}: the default of {name}", setting, text)
    return defaults


def _taker_of_checkpoint(entrants: Mapping[str, Entrant], checkpoint: Path) -> str:
    takers = [key for key, entrant in entrants.items() if "checkpoint" in entrant.spec.settings]
    if not takers:
        raise ValueError(f"--checkpoint {checkpoint}: no method of this run takes a checkpoint; leave it out")
    if len(takers) > 1:
        each = " ".join(f"--set {key}.checkpoint=PATH" for key in takers)
        raise ValueError(f"--checkpoint {checkpoint}: {' and '.join(takers)} could take it; say which by {each}")
    return takers[0]


def _split(text: str, entrants: Mapping[str, Entrant]) -> tuple[str, str, str]:
    """Entrant, key and value of ``METHOD.KEY=VALUE``."""
    left, has_value, value = text.partition("=")
    target, has_key, name = left.rpartition(".")
    if not (has_value and has_key):
        raise ValueError(f"--set {text!r}: write METHOD.KEY=VALUE, e.g. das.upstream=/opt/das")
    if target in entrants:
        return target, name, value
    fitting = [key for key, entrant in entrants.items() if entrant.spec.id == target]
    if len(fitting) == 1:
        return fitting[0], name, value
    if fitting:
        raise ValueError(f"--set {text}: {target} takes part as {' and '.join(fitting)}; name one of them")
    raise UnknownName("entrant of this run", target, entrants)


def _setting(entrant: Entrant, name: str) -> Setting:
    if not entrant.spec.settings:
        raise ValueError(f"{entrant.key} takes no settings, so none called {name!r}")
    if name not in entrant.spec.settings:
        raise UnknownName(f"setting of {entrant.key}", name, entrant.spec.settings)
    return entrant.spec.settings[name]


def _parse(where: str, setting: Setting, text: str) -> SettingValue:
    """The value of a setting from its text."""
    if setting.choices and text not in setting.choices:
        raise ValueError(f"{where}: expected one of {', '.join(setting.choices)}")
    if setting.type == "path":
        if not text:
            raise ValueError(f"{where}: expected a path")
        path = Path(text).expanduser().absolute()
        if not path.exists():
            raise FileNotFoundError(f"{where}: {path} does not exist")
        return path
    try:
        if setting.type == "flag":
            return _FLAGS[text.lower()]
        if setting.type == "int":
            return int(text)
        if setting.type == "float":
            number = float(text)
            if not math.isfinite(number):
                raise ValueError
            return number
        return text
    except (KeyError, ValueError):
        wanted = {"flag": "true or false", "int": "a whole number"}.get(setting.type, "a number")
        raise ValueError(f"{where}: expected {wanted}") from None
