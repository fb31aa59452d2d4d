"""Databases of audb, by name and version: from its cache on this machine, or downloaded to it."""

import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from fusionser.errors import CorpusError, SettingsError
from fusionser.optional import optional_package

__all__ = ["database_folder", "is_named", "safe_loader"]

PREFIX = "audb:"
MOST_VALUES = 1_000_000
"""Values in the header of a database; a few bytes of aliases can stand for many more."""
NAMED = re.compile(r"(?P<name>[\w.-]+)(==(?P<version>[\w.+-]+))?")


def is_named(place: str) -> bool:
    """Return whether a place is the name of a database of audb.

    Examples
    --------
    >>> is_named("audb:emodb==1.4.1"), is_named("emodb")
    (True, False)
    """
    return place.startswith(PREFIX)


def _audb() -> Any:
    return optional_package("audb", "audformat", "a database by the name 'audb:'")


def database_folder(place: str, download: bool) -> Path:
    """Return the folder of a database in the cache of audb, to which it is downloaded first if that is wanted.

    Parameters
    ----------
    place : str
        ``audb:name==version``; without a version, the newest in the cache, or, to download, the newest that there is.
    download : bool

    Raises
    ------
    CorpusError
        If it is not there.
    SettingsError
        If the name is not such a name.
    """
    parsed = NAMED.fullmatch(place.removeprefix(PREFIX))
    if parsed is None:
        raise SettingsError(f"got '{place}'; expected audb:name==version, such as audb:emodb==1.4.1")
    name, version = parsed["name"], parsed["version"]
    audb = _audb()
    if download:
        version = _downloaded(audb, name, version)
    cached = audb.cached(name=name)
    if version is not None:
        cached = cached[cached["version"] == version]
    if cached.empty:
        others = sorted(set(audb.cached(name=name)["version"]))
        there = f"; versions there: {', '.join(others)}" if others else ""
        raise CorpusError(
            f"{place}: not in the cache of audb on this machine ({audb.default_cache_root()}){there}. Add --download "
            "to get it from the repositories that audb is set up with"
        )
    return Path(str(_best(cached)))


def _best(cached: pd.DataFrame) -> Any:
    """Return the folder of the newest version, complete and unchanged if there is such a copy."""
    newest = cached[cached["version"] == max(cached["version"], key=_by_number)]
    changed = newest[["bit_depth", "channels", "format", "sampling_rate"]].notna().sum(axis=1)
    order = pd.DataFrame({"incomplete": ~newest["complete"].astype(bool), "changed": changed})
    return order.sort_values(["incomplete", "changed"], kind="stable").index[0]


def _by_number(version: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"[.+-]", version)]


def _downloaded(audb: Any, name: str, version: str | None) -> str:
    try:
        with _safe_headers():
            found = version or str(audb.latest_version(name))
            audb.load(name, version=found, pickle_tables=False, full_path=False, verbose=sys.stderr.isatty())
    except Exception as error:
        # Repositories raise errors of their backends.
        raise CorpusError(
            f"{PREFIX}{name}{f'=={version}' if version else ''}: cannot be downloaded ({error}); the repositories are "
            "set in ~/.config/audb.yaml"
        ) from error
    return found


@lru_cache(maxsize=1)
def safe_loader() -> Any:
    """Return the class that reads YAML without building objects, and refuses aliases that expand without measure."""
    import yaml

    class Limited(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """The safe loader, with a limit of values."""

        def get_single_node(self) -> Any:
            node = super().get_single_node()
            if (values := _expanded(node, {})) > MOST_VALUES:
                raise yaml.YAMLError(f"{values:g} values, aliases included; expected at most {MOST_VALUES}")
            return node

    return Limited


def _expanded(node: Any, known: dict[int, float]) -> float:
    """Return how many values a node of YAML stands for, with each alias as what it repeats."""
    if id(node) not in known:
        # A node inside itself has no end.
        known[id(node)] = math.inf
        inside = node.value if isinstance(getattr(node, "value", None), list) else []
        parts = [part for one in inside for part in (one if isinstance(one, tuple) else (one,))]
        known[id(node)] = 1 + sum(_expanded(part, known) for part in parts)
    return known[id(node)]


@contextmanager
def _safe_headers() -> Iterator[None]:
    """Let audformat read headers without building objects that they ask for, which could run code."""
    import audformat.core.database as module

    before = module.Loader
    module.Loader = safe_loader()
    try:
        yield
    finally:
        module.Loader = before
