"""The package and version that code comes from, so that results of other versions are not reused."""

from functools import lru_cache
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["OWN", "code_origin", "package_of"]

OWN = "fusionser"


def code_origin(value: Any) -> str:
    """Return the package of a class or an object, with its version; "" for fusionser itself.

    Code without a package, such as a class in a notebook, is identified by its module and a hash of its code,
    including the values in closures.

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
    # Imported here, since classes of fusionser do not need it.
    import hashlib
    from importlib.metadata import packages_distributions, version

    if packages := packages_distributions().get(top, []):
        return f"{packages[0]} {version(packages[0])}"
    described = repr([_described(part) for part in [kind, *getattr(kind, "__mro__", ())[1:-1]]])
    return f"{module} {hashlib.blake2b(described.encode(), digest_size=8).hexdigest()}"


def _described(part: Any, within: tuple[int, ...] = ()) -> Any:
    """Describe what a function or a class does by values whose text is the same in every process."""
    part = getattr(part, "__func__", getattr(part, "fget", part))
    if part is None or isinstance(part, str | bytes | int | float | complex):
        return part
    if id(part) in within:
        # A method that calls `super` has its class in its closure.
        return "itself"
    if isinstance(part, FunctionType):
        closed = [cell.cell_contents for cell in part.__closure__ or ()]
        parts = [part.__code__, closed, part.__defaults__, part.__kwdefaults__]
    elif isinstance(part, CodeType):
        parts = [part.co_code, part.co_names, part.co_consts]
    elif isinstance(part, type) and part.__module__.partition(".")[0] not in (OWN, "builtins"):
        parts = [pair for pair in sorted(vars(part).items()) if not pair[0].startswith("__")]
    elif isinstance(part, dict):
        parts = sorted(part.items(), key=repr)
    elif isinstance(part, set | frozenset):
        parts = sorted(part, key=repr)
    elif isinstance(part, list | tuple):
        parts = list(part)
    else:
        return getattr(part, "__qualname__", type(part).__qualname__)
    return [_described(value, (*within, id(part))) for value in parts]


def package_of(point: "EntryPoint") -> str:
    """Return the package of an entry point, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value
