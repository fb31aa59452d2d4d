"""Docstrings of classes that inherit parameters."""

import inspect
import re
from functools import lru_cache
from typing import Any

__all__ = ["DocumentedParameters", "parameter_entries"]

HEADER = re.compile(r"(\w+) : (.+?)(?:, (?:optional|default=.*))?$")
PARAMETERS = ["Parameters", "----------"]


class DocumentedParameters:
    """A base of dataclasses that adds inherited parameters to the docstrings of its subclasses.

    They follow the parameters of the subclass, with the text of the base and the defaults of the subclass.

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


@lru_cache
def parameter_entries(doc: str | None) -> dict[str, list[str]]:
    """Return the lines of each entry in the Parameters section of a docstring, by name.

    Examples
    --------
    >>> parameter_entries(DocumentedParameters.__doc__)
    {}
    """
    lines = inspect.cleandoc(doc or "").splitlines()
    first, last = _section(lines)
    entries: dict[str, list[str]] = {}
    for line in lines[first:last]:
        if named := HEADER.match(line):
            entries[named[1]] = [line]
        elif entries and line.startswith(" "):
            entries[next(reversed(entries))].append(line)
    return entries


def _section(lines: list[str]) -> tuple[int, int]:
    """Return where the entries of the Parameters section begin and end; without one, where it should be inserted."""
    headers = [place - 1 for place, line in enumerate(lines) if place and line.startswith("---")]
    start = next((place for place in headers if lines[place : place + 2] == PARAMETERS), None)
    if start is None:
        place = headers[0] if headers else len(lines)
        return place, place
    return start + 2, min((place for place in headers if place > start), default=len(lines))


def _completed(cls: type) -> str:
    doc = inspect.cleandoc(cls.__doc__ or "")
    bases = [base for base in cls.__mro__[1:] if issubclass(base, DocumentedParameters)]
    fields = {name for base in bases for name in getattr(base, "__dataclass_fields__", {})}
    fields -= parameter_entries(doc).keys()
    missing: dict[str, list[str]] = {}
    for base in bases:
        for name, entry in parameter_entries(base.__dict__.get("__doc__")).items():
            if name in fields and name not in missing:
                missing[name] = [_with_default(entry[0], cls, name), *entry[1:]]
    if not missing:
        return doc
    lines = doc.splitlines()
    first, last = _section(lines)
    before, after = "\n".join(lines[:last]).rstrip(), "\n".join(lines[last:])
    start = [before] if first < last else [before, "", *PARAMETERS]
    added = [line for entry in missing.values() for line in entry]
    return ("\n".join([*start, *added]) + f"\n\n{after}").rstrip()


def _with_default(header: str, cls: type, name: str) -> str:
    """Return the first line of an entry with the default of this class."""
    default = getattr(cls, name, inspect.Parameter.empty)
    described = HEADER.match(header)
    if described is None or default is inspect.Parameter.empty:
        return header
    shown = "optional" if default is None else "default=" + repr(default).replace("'", '"')
    return f"{name} : {described[2]}, {shown}"
