"""Packages that import a name when it is first asked for (PEP 562)."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions ``__getattr__`` and ``__dir__`` of a package whose names are imported when they are used.

    Parameters
    ----------
    package : str
        Full name of the package.
    names : mapping of str to sequence of str
        The names that come from each module; modules that begin with a dot are relative to the package.

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
