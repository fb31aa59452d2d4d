"""Descriptions of constants: their values, and the texts below them in the source."""

import ast
import importlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any, get_origin

import fusionser

__all__ = ["constant", "source_text"]

SHOWN = 160
"""Characters of the longest value that is shown."""

PLAIN = (str, int, float, tuple)


@lru_cache(maxsize=1)
def texts() -> dict[tuple[str, str], str]:
    """Return the text below each constant in the source, by module and name; empty where there is none."""
    package = Path(str(fusionser.__file__)).parent
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for statement, after in zip(body, [*body[1:], None], strict=True):
            for name in _assigned(statement):
                found[module, name] = _text(after)
    return found


def _assigned(statement: ast.stmt) -> list[str]:
    targets: list[Any] = []
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            targets += target.elts if isinstance(target, ast.Tuple) else [target]
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _text(statement: ast.stmt | None) -> str:
    """Return the text that a statement consists of, if it is one."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        value = statement.value.value
        return value.strip() if isinstance(value, str) else ""
    return ""


def source_text(module: str, name: str) -> str:
    """Return the text below a constant in the source, wherever a public module has it from."""
    value = getattr(importlib.import_module(module), name)
    places = [place for place, one in texts() if one == name]
    # Other modules may have a constant of this name with the same value.
    nearest = sorted(places, key=lambda place: (place != module, not place.startswith(module), place))
    for place in nearest:
        if getattr(importlib.import_module(place), name, None) is value:
            return texts()[place, name]
    return ""


def type_name(kind: Any) -> str:
    """Return a type as it is written in Python."""
    return kind.__name__ if isinstance(kind, type) and get_origin(kind) is None else str(kind)


def constant(module: str, name: str) -> list[str]:
    """Return the description of a constant: its value if short, its text, and its keys if any."""
    value = getattr(importlib.import_module(module), name)
    lines = [f".. py:data:: {name}"]
    if isinstance(value, PLAIN) and len(repr(value)) <= SHOWN:
        lines.append(f"   :value: {value!r}")
    lines.append("")
    if get_origin(value) is Annotated:
        lines += [f"   The type ``{type_name(value.__origin__)}``.", ""]
    elif get_origin(value) is not None:
        lines += [f"   The type ``{value}``.", ""]
    if text := source_text(module, name):
        lines += [indent(text, "   "), ""]
    if isinstance(value, Mapping):
        lines += [f"   Keys: {', '.join(f'``{key}``' for key in value)}.", ""]
    return lines
