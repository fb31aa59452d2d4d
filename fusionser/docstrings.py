"""Docstrings of classes that take over parameters of their bases."""

import inspect
import re
from functools import lru_cache
from typing import Any

__all__ = ["DocumentedParameters", "parameter_entries"]

HEADER = re.compile(r"(\w+) : (.+?)(?:, (?:optional|default=.*))?$")
PARAMETERS = ["Parameters", "----------"]


class DocumentedParameters:
    """A base of dataclasses, which writes into a subclass's docstring the parameters that it has from its bases.

    They follow the subclass's own, in the words of the base, with the subclass's defaults.

    Examples
    --------
    >>> class Wide(DocumentedParameters):
    ...     '''A shape.
    ...
    ...     Parameters
    ...     ----------
    ...     width : int, default=4
    ...         In pixels.
    ...     '''
    ...     __dataclass_fields__ = {"width": ...}
    >>> class Wider(Wide):
    ...     '''A wider shape.'''
    ...     width = 8
    >>> Wider.__doc__.splitlines()[-2:]
    ['width : int, default=8', '    In pixels.']
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__dict__.get("__doc__") and "__init__" not in cls.__dict__:
            cls.__doc__ = _completed(cls)


def parameter_entries(doc: str | None) -> dict[str, list[str]]:
    """Return the lines of each entry of a docstring's section of parameters, by name.

    Examples
    --------
    >>> parameter_entries(DocumentedParameters.__doc__)
    {}
    """
    return _entries(inspect.cleandoc(doc or ""))


@lru_cache
def _entries(doc: str) -> dict[str, list[str]]:
    """Read a docstring once: those of bases are asked for by every subclass."""
    lines = doc.splitlines()
    first, last = _section(lines)
    entries: dict[str, list[str]] = {}
    for line in lines[first:last]:
        named = HEADER.match(line)
        if named:
            entries[named[1]] = [line]
        elif entries and line.startswith(" "):
            entries[next(reversed(entries))].append(line)
    return entries


def _section(lines: list[str]) -> tuple[int, int]:
    """Return where the entries of the parameters begin and end; where they would, when there are none."""
    headers = [place - 1 for place, line in enumerate(lines) if place and line.startswith("---")]
    starts = [place for place in headers if lines[place : place + 2] == PARAMETERS]
    if not starts:
        place = headers[0] if headers else len(lines)
        return place, place
    return starts[0] + 2, min((place for place in headers if place > starts[0]), default=len(lines))


def _completed(cls: type) -> str:
    doc = inspect.cleandoc(cls.__doc__ or "")
    documented, lines = _entries(doc), doc.splitlines()
    bases = [base for base in cls.__mro__[1:] if issubclass(base, DocumentedParameters)]
    fields = {name for base in bases for name in getattr(base, "__dataclass_fields__", {})} - documented.keys()
    missing: dict[str, list[str]] = {}
    for base in bases:
        # A base's docstring has been through here, and needs no more cleaning.
        for name, entry in _entries(base.__dict__.get("__doc__") or "").items():
            if name in fields and name not in missing:
                missing[name] = [_with_default(entry[0], cls, name), *entry[1:]]
    if not missing:
        return doc
    first, last = _section(lines)
    before, after = "\n".join(lines[:last]).rstrip(), "\n".join(lines[last:])
    added = "\n".join(line for entry in missing.values() for line in entry)
    start = before if first < last else "\n".join([before, "", *PARAMETERS])
    return f"{start}\n{added}\n\n{after}".rstrip()


def _with_default(header: str, cls: type, name: str) -> str:
    """Return the first line of an entry with the default of this class."""
    default = getattr(cls, name, inspect.Parameter.empty)
    described = HEADER.match(header)
    if described is None or default is inspect.Parameter.empty:
        return header
    shown = repr(default).replace("'", '"')
    return f"{name} : {described[2]}, " + ("optional" if default is None else f"default={shown}")
