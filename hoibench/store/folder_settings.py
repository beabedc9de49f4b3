"""A JSON file of settings in a folder (of prepared clips, say), which ensures that everything in the folder is made with the same settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hoibench.store.atomic import as_write_error, remove_temporary_files
from hoibench.store.locks import locked
from hoibench.store.records import Record

S = TypeVar("S", bound=Record)


def ensure_settings(
    path: Path,
    settings: S,
    *,
    fix: str,
    ignored: Collection[str] = (),
    may_replace: Callable[[S | None], bool] = lambda _: False,
) -> None:
    """Write the settings of a new folder to a JSON file in it, or check that an existing file has equal settings.

    If several processes call this at once, one of them writes the file.

        ensure_settings(Path("calibrations/settings.json"), Settings(board="9x6"), fix="choose another --out")

    Args:
        path: the JSON file in the folder.
        settings: the current settings.
        fix: what the user can do if the settings in the file differ; ends the error message.
        ignored: names of settings that may differ; ``a.b`` is key b of table a.
        may_replace: given the settings in the file (None if unreadable), returns True if they may be replaced because
            nothing was made with them yet.

    Raises:
        ValueError: the settings in the file differ, or the file is damaged; lists the differences and the fix.
        WriteError: the folder cannot be written, or the disk is full.
    """

    def is_recorded() -> bool:
        if not path.is_file():
            return False
        try:
            recorded = type(settings).read(path)
        except ValueError:
            if may_replace(None):
                return False
            raise
        if recorded == settings:
            return True
        if may_replace(recorded):
            return False
        check_settings(path, recorded, settings.to_json(), fix=fix, ignored=ignored)
        return True

    if is_recorded():  # no lock needed: the folder may be read-only
        return
    with locked(path.with_name(f".{path.name}.lock"), wait=True), as_write_error(path):
        if not is_recorded():
            remove_temporary_files(path.parent, path.name)
            settings.write(path)


def check_settings(
    path: Path, recorded: Record, expected: Mapping[str, Any], *, fix: str, ignored: Collection[str] = ()
) -> None:
    """Raise ValueError if recorded settings differ from the expected values; lists the differences and the fix.

    Args:
        path: the file of the recorded settings; the message names its folder.
        recorded: the settings in that file.
        expected: setting -> expected value; settings without one are not compared.
        fix: what the user can do; ends the error message.
        ignored: names of settings that may differ; ``a.b`` is key b of table a.
    """
    table = recorded.to_json()
    before = dict(_flatten({name: table.get(name) for name in expected}))
    after = dict(_flatten(expected))
    names = [name for name in dict.fromkeys([*after, *before]) if name not in ignored]
    different = [
        f"{name} was {before.get(name)}, now {after.get(name)}" for name in names if before.get(name) != after.get(name)
    ]
    if different:
        raise ValueError(f"{path.parent} was made with other settings ({'; '.join(different)}): {fix}")


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, value) for each value in nested tables, with lists in place of tuples."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, list(value) if isinstance(value, tuple) else value
