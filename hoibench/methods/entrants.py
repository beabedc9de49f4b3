"""The entrants of a run: its methods, each with a preset and settings, from the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from hoibench.methods.method import Entrant
from hoibench.methods.registry import folder_spec, installed_specs
from hoibench.methods.spec import Setting, SettingValue, Spec
from hoibench.plugins import get_by_name, is_built_in
from hoibench.problems import Problem, ProblemsFound

_VALUE_TYPES: dict[str, tuple[TypeAdapter[SettingValue], str]] = {
    "text": (TypeAdapter(str), "a text"),
    "int": (TypeAdapter(int), "a whole number"),
    "float": (TypeAdapter(FiniteFloat), "a number"),
    "flag": (TypeAdapter(bool), "true or false"),
}
"""Parser and description of each type of setting except ``path``."""


class SettingMissing(ProblemsFound):
    """The error that methods need settings which are not given; ``entrants`` has all entrants of the run, with the settings that are."""

    def __init__(self, problems: Sequence[Problem], entrants: Sequence[Entrant]) -> None:
        super().__init__(problems)
        self.entrants = tuple(entrants)


def select_entrants(
    names: Iterable[str],
    adapters: Sequence[Spec] = (),
    built_in: Iterable[Spec] = (),
    *,
    settings: Sequence[str] = (),
    preset: str | None = None,
    checkpoint: Path | None = None,
    stored: Callable[[str, Path, Spec | None], Spec] = folder_spec,
) -> list[Entrant]:
    """Return the entrants of a run (methods with preset and settings) in the order of ``--method``, then the adapters that are not named there.

        select_entrants(["syncmv4d+nano", "frozen"], settings=["syncmv4d+nano.checkpoint=runs/nano/model"])

    Args:
        names: ``METHOD``, ``METHOD+PRESET``, or ``NAME=FOLDER`` or ``NAME=FILE.zip`` for stored predictions, which may have the name of a method.
        adapters: specs of methods that are not installed; see ``adapter_spec``.
        built_in: specs of the evaluation's own rows (reference rows, published outputs).
        settings: ``METHOD.KEY=VALUE`` or ``METHOD+PRESET.KEY=VALUE``; the last value of a key counts.
        preset: the preset of the method, if only one has presets and none is named.
        checkpoint: the setting ``checkpoint`` of the entrant, if only one has it.
        stored: returns the spec of stored predictions from NAME, FOLDER and the method of that name.

    Raises:
        UnknownName: there is no such method, preset, entrant or setting; the message gives the nearest names.
        ValueError: an id or a row's name is used twice, a value has the wrong type, or ``preset`` or ``checkpoint`` fits no or several entrants.
        SettingMissing: a required setting is not given.
        FileNotFoundError: the path in a setting does not exist.
    """
    known = _known_specs(adapters, built_in)
    chosen: dict[str, tuple[Spec, str | None]] = {}
    for text in names:
        name, is_folder, folder = text.partition("=")
        if is_folder:
            chosen[text] = stored(name, Path(folder), known.get(name)), None
            continue
        method, _, preset_name = name.partition("+")
        spec = get_by_name("method", method, known)
        if preset_name:
            get_by_name(f"preset of {method}", preset_name, spec.presets)
        chosen[name] = spec, preset_name or None
    named = {spec.id for spec, _ in chosen.values() if spec.folder is None}
    chosen |= {spec.id: (spec, None) for spec in adapters if spec.id not in named}
    if preset is not None:
        candidates = [name for name, (spec, given) in chosen.items() if spec.presets and given is None]
        name = _only_candidate(f"--preset {preset}", candidates, "--method {}+PRESET")
        spec = chosen[name][0]
        get_by_name(f"preset of {spec.id}", preset, spec.presets)
        chosen[name] = spec, preset
    entrants: dict[str, Entrant] = {}
    for spec, given in chosen.values():
        if spec.status == "unreleased" and not spec.entry and spec.folder is None:
            raise ValueError(f"--method {spec.id}: its code is not released; score predictions by {spec.id}=FOLDER")
        preset_name = given or next(iter(spec.presets), "")
        entrant = Entrant(spec.with_preset(preset_name), preset_name) if preset_name else Entrant(spec)
        if entrants.setdefault(entrant.key, entrant) != entrant:
            raise ValueError(f"two rows of this run have the name {entrant.key}: give stored predictions another name")
    return _with_settings(entrants, settings, checkpoint)


def _known_specs(adapters: Iterable[Spec], built_in: Iterable[Spec]) -> dict[str, Spec]:
    """Return the specs of all methods by id."""
    known = {spec.id: spec for spec in built_in} | installed_specs()
    for spec in adapters:
        if spec.id in known:
            other = known[spec.id].entry or "the benchmark"
            raise ValueError(
                f"--adapter {spec.entry}: the id {spec.id!r} is already used by {other}; choose another id"
            )
        known[spec.id] = spec
    return known


def _only_candidate(flag: str, candidates: Sequence[str], alternative: str) -> str:
    """Return the only method that a flag can apply to.

    Args:
        flag: the flag with its value.
        candidates: the methods that it can apply to.
        alternative: the flag that names a method, with ``{}`` for the name.
    """
    if not candidates:
        raise ValueError(f"{flag}: no method of this run takes it; leave it out")
    if len(candidates) > 1:
        fix = " or ".join(alternative.format(name) for name in candidates)
        raise ValueError(f"{flag} must fit one method of this run, but fits {' and '.join(candidates)}: use {fix}")
    return candidates[0]


def _with_settings(entrants: Mapping[str, Entrant], settings: Sequence[str], checkpoint: Path | None) -> list[Entrant]:
    """Return copies of the entrants with the settings of the command line, and defaults for the others."""
    given: dict[str, dict[str, SettingValue]] = {key: {} for key in entrants}
    for text in settings:
        key, name, value = _split_setting(text, entrants)
        given[key][name] = _parse_value(f"--set {text}", entrants[key].spec.settings[name], value)
    if checkpoint is not None:
        flag = f"--checkpoint {checkpoint}"
        candidates = [key for key, entrant in entrants.items() if "checkpoint" in entrant.spec.settings]
        key = _only_candidate(flag, candidates, "--set {}.checkpoint=PATH")
        path = _parse_value(flag, entrants[key].spec.settings["checkpoint"], str(checkpoint))
        if given[key].setdefault("checkpoint", path) != path:
            raise ValueError(f"{flag}: --set gives {key} {given[key]['checkpoint']}; leave one of them out")
    complete = [
        replace(entrant, settings=_defaults(entrant, given[key]) | given[key]) for key, entrant in entrants.items()
    ]
    if missing := [problem for entrant in complete for problem in find_missing_settings(entrant)]:
        raise SettingMissing(missing, complete)
    return complete


def find_missing_settings(entrant: Entrant) -> list[Problem]:
    """Return a problem for each required setting that an entrant does not have."""
    return [
        Problem(entrant.key, "", f"needs --set {entrant.key}.{name}={setting.type.upper()}", "", setting.help)
        for name, setting in entrant.spec.settings.items()
        if setting.required and name not in entrant.settings
    ]


def _defaults(entrant: Entrant, given: Mapping[str, SettingValue]) -> dict[str, SettingValue]:
    """Return the defaults of the settings that are not given."""
    defaults: dict[str, SettingValue] = {}
    of_preset = {} if entrant.preset is None else entrant.spec.presets[entrant.preset].settings
    for name, setting in entrant.spec.settings.items():
        value = of_preset.get(name, setting.default)
        if value is not None and name not in given:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            try:
                defaults[name] = _parse_value(f"{entrant.key}: the default of {name}", setting, text)
            except FileNotFoundError as error:
                package = "hoibench" if is_built_in(entrant.spec.entry) else "the method's package"
                raise FileNotFoundError(
                    f"{error}: give {entrant.key}.{name}, or if it should be part of {package}, reinstall that"
                ) from None
    return defaults


def setting_target(text: str) -> str:
    """Return the ``METHOD`` or ``METHOD+PRESET`` of a setting ``METHOD.KEY=VALUE``."""
    return text.partition("=")[0].rpartition(".")[0]


def _split_setting(text: str, entrants: Mapping[str, Entrant]) -> tuple[str, str, str]:
    """Return the entrant, key and value of ``METHOD.KEY=VALUE``."""
    left, has_value, value = text.partition("=")
    target, has_key, name = left.rpartition(".")
    if not (has_value and has_key):
        raise ValueError(f"--set {text!r}: write METHOD.KEY=VALUE, e.g. syncmv4d+nano.checkpoint=runs/nano/model")
    matching = [key for key, entrant in entrants.items() if entrant.spec.id == target and entrant.spec.folder is None]
    if len(matching) > 1:
        raise ValueError(f"--set {text}: this run has {' and '.join(matching)}; name one of them")
    key = matching[0] if matching else target
    get_by_name(f"setting of {key}", name, get_by_name("entrant of this run", key, entrants).spec.settings)
    return key, name, value


def _parse_value(where: str, setting: Setting, text: str) -> SettingValue:
    """Convert the text of a setting to its type."""
    if setting.type == "path" and text:
        path = Path(text).expanduser().absolute()
        if not path.exists():
            raise FileNotFoundError(f"{where}: {path} does not exist")
        return path
    parser, expected = _VALUE_TYPES.get(setting.type, (None, "a path"))
    if setting.minimum is not None:
        expected += f", at least {setting.minimum}"
    try:
        if parser is not None and (not setting.choices or text in setting.choices):
            value = parser.validate_python(text)
            if setting.minimum is None or not isinstance(value, int | float) or value >= setting.minimum:
                return value
    except ValidationError:
        pass
    raise ValueError(f"{where}: expected {'one of ' + ', '.join(setting.choices) if setting.choices else expected}")
