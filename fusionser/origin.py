"""Which package code comes from, so that what it computed is never taken for what another version would compute."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["OWN", "code_origin", "package_of"]

OWN = "fusionser"


def code_origin(value: Any) -> str:
    """Return which package made a class or an object, with its version; "" for fusionser itself.

    What no package holds, such as a class in a notebook, is told by its module and a hash of its source, where there
    is one.

    Examples
    --------
    >>> from fusionser.errors import SettingsError
    >>> code_origin(SettingsError), code_origin(SettingsError("x"))
    ('', '')
    """
    kind: Any = value if hasattr(value, "__qualname__") else type(value)
    module = str(getattr(kind, "__module__", ""))
    top = module.partition(".")[0]
    if top == OWN:
        return ""
    return _origin_of(top, module, kind)


@lru_cache(maxsize=1024)
def _origin_of(top: str, module: str, kind: Any) -> str:
    # Imported late: what comes with fusionser needs none of it.
    import hashlib
    import inspect
    from importlib.metadata import packages_distributions, version

    packages = packages_distributions().get(top, [])
    if packages:
        return f"{packages[0]} {version(packages[0])}"
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):
        return module
    return f"{module} {hashlib.blake2b(source.encode(), digest_size=8).hexdigest()}"


def package_of(point: "EntryPoint") -> str:
    """Return the package that an entry point is of, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value
