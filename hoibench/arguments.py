"""Command lines from dataclasses: options in titled groups, lists by commas or by repeating, and errors of one line."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import io
import shutil
import sys
import textwrap
import types
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from hoibench.text import count

T = TypeVar("T")

_POSITIONAL = get_args(tyro.conf.Positional[int])[1]
_REPEATABLE = get_args(tyro.conf.UseAppendAction[int])[1]
_EXPECTED: dict[object, tuple[str, str]] = {
    str: ("TEXT", "a text"), Path: ("PATH", "a path"), int: ("N", "a whole number"), float: ("X", "a number"),
}  # fmt: skip


class _Refused(Exception):
    """A value that an option does not take; the argument is the message.  Not a ValueError, which tyro would print in a box."""


def parse(cls: type[T], arguments: Sequence[str], program: str) -> T:
    """Parse a command line into a dataclass, whose field docstrings are the options' help.

    A tuple is given by commas, by repeating the option, or both.  Metadata of a field: ``group``, the title of its options; ``metavar``; ``whole``,
    True for a tuple whose values may have commas; ``joined``, True for a text that is a list with commas.

    Raises:
        SystemExit: ``--help``, with code 0.
        ValueError: an option is unknown, lacks its value or has a wrong one; one line with the fix.
    """
    options = [Option.of(cls, field) for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    _check_values_are_there(options, arguments)
    form = _make_form(cls.__name__, options)
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            found: Any
            found, unknown = tyro.cli(
                form, args=list(arguments), prog=program, description="", return_unknown_args=True,
                config=(tyro.conf.OmitArgPrefixes,),
            )  # fmt: skip
    except SystemExit:
        usage, _, rest = printed.getvalue().partition("\n\n")
        parts = (_wrap(usage), _wrap(inspect.getdoc(cls) or ""), rest.strip("\n"))
        sys.stdout.write("\n\n".join(parts) + "\n")
        raise
    except _Refused as error:
        raise ValueError(str(error)) from None
    if unknown:
        raise ValueError(_explain_unknown(unknown[0], options, program, arguments))
    given: dict[str, Any] = {}
    for name, value in vars(found).items():
        given |= vars(value) if dataclasses.is_dataclass(value) else {name: value}
    return cls(**{option.name: option.value_of(given[option.name], program) for option in options})


@dataclasses.dataclass(frozen=True)
class Option:
    """An option of a command: its field, its type without annotations, and how words become its value."""

    field: dataclasses.Field[Any]
    type: Any
    is_positional: bool
    help: str

    @classmethod
    def of(cls, owner: type, field: dataclasses.Field[Any]) -> Option:
        """Return the option of a dataclass's field."""
        hint = get_type_hints(owner, include_extras=True)[field.name]
        base, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        docs = {
            name: text for base_class in reversed(owner.__mro__[:-1]) for name, text in _field_docs(base_class).items()
        }
        texts = [mark.help for mark in marks if getattr(mark, "help", None)]
        if get_origin(base) in (Union, types.UnionType):
            (base,) = (member for member in get_args(base) if member is not type(None))
        return cls(field, base, _POSITIONAL in marks, texts[0] if texts else docs.get(field.name, ""))

    @property
    def name(self) -> str:
        """The field's name."""
        return self.field.name

    @property
    def flag(self) -> str:
        """The option as it is written: ``--NAME``, or for a positional argument its metavar."""
        return self.metavar if self.is_positional else f"--{self.name.replace('_', '-')}"

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return get_origin(self.type) is tuple or bool(self.field.metadata.get("joined"))

    @property
    def element(self) -> Any:
        """The type of the value, or of a list's values."""
        return get_args(self.type)[0] if get_origin(self.type) is tuple else self.type

    @property
    def metavar(self) -> str:
        """The placeholder of the value in the help, e.g. ``N,...``."""
        choices = "|".join(map(str, get_args(self.element))) if get_origin(self.element) is Literal else ""
        default = choices or (self.name.upper() if self.is_positional else _EXPECTED[self.element][0])
        name: str = self.field.metadata.get("metavar", default)
        return f"{name},..." if self._is_split and not self._length else name

    @property
    def _length(self) -> int | None:
        """Number of values of a tuple such as ``tuple[int, int]``."""
        members = get_args(self.type) if get_origin(self.type) is tuple else (None, ...)
        return None if members[-1] is ... else len(members)

    @property
    def _is_split(self) -> bool:
        """Whether a value of the option may be a list."""
        return self.is_list and not self.is_positional and not self.field.metadata.get("whole")

    @property
    def is_required(self) -> bool:
        """Whether the option has no default."""
        return self.field.default is dataclasses.MISSING and self.field.default_factory is dataclasses.MISSING

    def convert(self, word: str) -> Any:
        """Convert one word; for a list, return the values in it."""
        return tuple(map(self._convert, split_at_commas(word))) if self._is_split else self._convert(word)

    def _convert(self, word: str) -> Any:
        try:
            return self.convert_element(self.flag, word)
        except ValueError as error:
            raise _Refused(str(error)) from None

    def convert_element(self, where: str, word: str) -> Any:
        """Convert one word to ``element``; raises ValueError with the place ``where`` it is given."""
        kind = self.element
        if get_origin(kind) is Literal:
            if word in get_args(kind):
                return word
            expected = f"one of {', '.join(get_args(kind))}"
        else:
            try:
                return kind(word)
            except ValueError:
                expected = _EXPECTED[kind][1]
        raise ValueError(f"{where} is {word!r}, expected {expected}")

    def to_field(self) -> tuple[str, Any, Any]:
        """Return the name, the type and the default of the option's field for tyro."""
        if self.type is bool:
            shown = "(default: on)" if self.field.default else ""
            marks: list[Any] = [tyro.conf.arg(help=self.help, help_behavior_hint=shown)]
            return self.name, Annotated[(bool, *marks)], dataclasses.field(default=self.field.default)
        spec = PrimitiveConstructorSpec(
            nargs=1, metavar=self.metavar, instance_from_str=lambda words: self.convert(words[0]),
            is_instance=lambda value: True, str_from_instance=lambda value: [str(value)],
        )  # fmt: skip
        element: Any = Annotated[Any, spec]
        marks = [tyro.conf.arg(help=self.help, help_behavior_hint=self._default_text)]
        if self.is_positional:
            marks.append(_POSITIONAL)
        elif self.is_list:
            marks.append(_REPEATABLE)
        kind = tuple[element, ...] if self.is_list else element
        return self.name, Annotated[(kind, *marks)], dataclasses.field(default=() if self.is_list else None)

    @property
    def _default_text(self) -> str:
        default = self.field.default
        return "" if default in (None, (), dataclasses.MISSING) else f"(default: {default})"

    def value_of(self, found: Any, program: str) -> Any:
        """Return the field's value from what tyro found."""
        if found is None or found == ():
            if self.is_required and not (self.is_list and self.is_positional):  # commands say what an empty list lacks
                raise ValueError(f"{self.flag} is missing: see {program} --help")
            return () if self.is_required else self.field.default
        if self._is_split:
            values = found[-1] if self._length else tuple(value for part in found for value in part)
            if self._length not in (None, len(values)):
                raise ValueError(
                    f"{self.flag} has {count(len(values), 'value')}, expected {self._length}: write {self.flag} {self.metavar}"
                )
            return ",".join(values) if self.field.metadata.get("joined") else values
        return found


def _wrap(text: str) -> str:
    """Fill the paragraphs of a text to the terminal's width."""
    width = shutil.get_terminal_size().columns
    return "\n\n".join(textwrap.fill(paragraph, width) for paragraph in text.split("\n\n"))


def split_at_commas(text: str) -> list[str]:
    """Take a list in one word apart; PATH and NAME=PATH are one value each if the path exists.

    >>> split_at_commas("rpe, chamfer,")
    ['rpe', 'chamfer']
    """
    if "," in text and any(path and _exists(path) for path in (text, text.partition("=")[2])):
        return [text]
    return [part for part in (part.strip() for part in text.split(",")) if part]


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # too long for a name: it is a list
        return False


def _make_form(name: str, options: Sequence[Option]) -> type:
    """Return a dataclass for tyro with one nested dataclass for each titled group of options."""
    groups: dict[str, list[Option]] = {}
    for option in options:
        groups.setdefault("" if option.is_positional else option.field.metadata.get("group", ""), []).append(option)
    fields = [option.to_field() for option in groups.pop("", [])]
    for title, members in groups.items():
        group_name = title.replace(" ", "_")
        group = dataclasses.make_dataclass(group_name, [member.to_field() for member in members])
        group.__doc__ = ""
        fields.append(
            (group_name, Annotated[group, tyro.conf.arg(name=title)], dataclasses.field(default_factory=group))
        )
    return dataclasses.make_dataclass(name, fields)


def _check_values_are_there(options: Sequence[Option], arguments: Sequence[str]) -> None:
    """Refuse an empty argument, as of an unset shell variable: an empty path would otherwise mean the current folder."""
    metavars = {option.flag: option.metavar for option in options if option.type is not bool}
    flag = "the first argument"
    for word, following in pairwise((*arguments, "--")):
        if not word or (word.startswith("--") and word.endswith("=")):
            raise ValueError(f"{word.removesuffix('=') or flag} is empty (an unset variable?): give a value")
        flag = word.replace("_", "-")
        if flag in metavars and following.startswith("--"):
            raise ValueError(f"{flag} lacks its value: write {flag} {metavars[flag]}")


def _explain_unknown(word: str, options: Sequence[Option], program: str, arguments: Sequence[str]) -> str:
    """Return a message for a word that no option takes: it may be a misspelt flag, or a list's value after a space."""
    before = list(arguments[: arguments.index(word)]) if word in arguments else []
    for option in options:
        if option.is_list and before[-2:-1] == [option.flag]:
            return f"unknown argument {word}: write {option.flag} {before[-1]},{word}"
    flags = [option.flag for option in options if not option.is_positional]
    flags += [f"--no-{option.flag[2:]}" for option in options if option.type is bool]
    near = difflib.get_close_matches(word.partition("=")[0], flags, n=1)
    what = "option" if word.startswith("-") else "argument"
    return f"unknown {what} {word}: " + (f"did you mean {near[0]}?" if near else f"see {program} --help")


@cache
def _field_docs(cls: type) -> dict[str, str]:
    """Return the docstrings below the fields of a dataclass, by name, from its source."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    docs = {}
    for field, following in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(following, ast.Expr):
            docs[field.target.id] = inspect.cleandoc(ast.literal_eval(following.value))
    return docs
