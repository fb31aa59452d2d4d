"""Packages that import a name when it is first used (PEP 562)."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["lazy_names", "lazy_package"]


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


def lazy_package(package: str, *others: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package that lists its names only for type checkers.

    The list is the imports from the package's own modules under ``if TYPE_CHECKING:``. That block never runs, but is
    part of the compiled code, from which the names are read. So this also works where no source files are installed.

    Parameters
    ----------
    package : str
        Full name of the package, which is being imported or has been.
    *others : str
        Names for ``__all__`` that the package defines itself or imports from elsewhere.

    Examples
    --------
    >>> import fusionser.classifiers
    >>> find, _, names = lazy_package("fusionser.classifiers", "classifier")
    >>> find("SVM").__name__, names[:3]
    ('SVM', ['BAGGING', 'BalancedBagging', 'BiLSTM'])
    """
    import dis

    names: dict[str, list[str]] = {}
    module = ""
    for step in dis.get_instructions(vars(sys.modules[package])["__spec__"].loader.get_code(package)):
        if step.opname == "IMPORT_NAME":
            module = step.argval
        elif step.opname == "IMPORT_FROM" and module.startswith(f"{package}."):
            names.setdefault(module, []).append(step.argval)
    public = sorted({*others, *(name for listed in names.values() for name in listed)})
    return *lazy_names(package, names), public
