"""The lists of public names: `python -m tools.stubs` adds the objects of the registry to the stubs of their packages.

Names are imported when they are first used, so type checkers and `lazy_loader` read them from ``__init__.pyi``.
"""

import re
from pathlib import Path

import fusionser
from fusionser.files import write_text
from fusionser.registry import OWN_OBJECTS

__all__ = ["PUBLIC_IN", "registered", "with_names"]

PUBLIC_IN = {
    "blocks": "features",
    "front_ends": "features",
    "presets": "features",
    "networks": "networks",
    "classifiers": "classifiers",
    "regressors": "regressors",
    "protocols": "splits",
}
"""The package that exports the objects of a group of the registry; others are reached by their names alone."""

LINE = re.compile(r"from \.(?P<module>[\w.]+) import (?P<name>\w+) as (?P=name)\n", re.ASCII)


def registered(package: str) -> dict[str, str]:
    """Return the module, relative to its package, of each registered object that a package exports."""
    places = [
        place for group, public in PUBLIC_IN.items() if public == package for place in OWN_OBJECTS[group].values()
    ]
    found = {}
    for place in places:
        module, _, name = place.removeprefix(f"{package}.").partition(":")
        found[name] = module
    return found


def with_names(text: str, modules: dict[str, str]) -> str:
    """Return a stub with a line for each registered object, in the order of isort; its other lines stay."""
    lines = {one["name"]: one["module"] for one in LINE.finditer(text)} | modules
    head, _, rest = LINE.sub("\0", text).partition("\0")
    ordered = sorted(lines.items(), key=lambda line: (line[1], _rank(line[0]), line[0]))
    imports = "".join(f"from .{module} import {name} as {name}\n" for name, module in ordered)
    return head + imports + rest.replace("\0", "")


def _rank(name: str) -> int:
    """Return the place of a name among those of its module: constants, then classes, then functions."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2


if __name__ == "__main__":
    for package in dict.fromkeys(PUBLIC_IN.values()):
        stub = Path(fusionser.__file__).parent / package / "__init__.pyi"
        write_text(stub, with_names(stub.read_text(encoding="utf-8"), registered(package)))
