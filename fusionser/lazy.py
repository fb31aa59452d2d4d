"""Packages that import a name when it is first used (PEP 562)."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package that imports its names when they are used.

    Parameters
    ----------
    package : str
        Full name of the package.
    names : mapping of str to sequence of str
        The names to import from each module. A module with a leading dot is relative to the package.

    Examples
    --------
    >>> find, _ = lazy_names("fusionser", {".errors": ["AudioError"]})
    >>> find("AudioError").__name__
    'AudioError'
    """
    places = {name: module for module, listed in names.items() for name in listed}

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(places[name], package), name)

    return find, lambda: sorted({*vars(sys.modules[package]), *places})
