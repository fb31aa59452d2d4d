"""What fusionser and each of its extras take on the disk: ``python -m benchmarks.extras``.

It adds up the files of installed packages, so all extras must be installed, with `pip install --constraint
constraints.txt --editable ".[...]"`. The result is ``reports/installation/extras.json``, which the documentation reads.
"""

import json
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fusionser.files import write_text
from fusionser.results import provenance

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "reports" / "installation" / "extras.json"
FOR_DEVELOPERS = {"dev", "docs"}
ALONE = {"ge2e"}
"""Extras whose package is installed without what it needs: of Resemblyzer only the file of weights is read."""


def needed(requirements: list[str]) -> set[str]:
    """Return the names of the packages that requirements need, with what these need themselves."""
    found: set[str] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    seen = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for one in requirement.extras or {""}:
            if (name, one) not in seen:
                seen.add((name, one))
                waiting += [(Requirement(text), one) for text in distribution(name).requires or []]
        found.add(name)
    return found


def bytes_of(name: str) -> int:
    """Return the bytes of the files of an installed package."""
    files = distribution(name).files or []
    paths = (Path(str(one.locate())) for one in files)
    return sum(path.stat().st_size for path in paths if path.is_file())


def measure() -> dict[str, object]:
    """Measure the packages that fusionser needs, and those that each extra adds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = needed(project["dependencies"])
    extras = {}
    for extra, requirements in project["optional-dependencies"].items():
        if extra in FOR_DEVELOPERS:
            continue
        try:
            alone = {canonicalize_name(Requirement(text).name) for text in requirements}
            added = (alone if extra in ALONE else needed(requirements)) - base
        except PackageNotFoundError as error:
            raise SystemExit(f"the extra '{extra}' is not installed: {error.name} is missing") from None
        extras[extra] = {"packages": len(added), "bytes": sum(map(bytes_of, added))}
    return {
        "base": {"packages": len(base), "bytes": sum(map(bytes_of, base))},
        "largest": dict(sorted(((name, bytes_of(name)) for name in base), key=lambda pair: -pair[1])[:5]),
        "extras": extras,
        "torch": distribution("torch").version,
        "provenance": {**provenance(), "command": "python -m benchmarks.extras"},
    }


def main() -> None:
    """Measure, and write the result."""
    text = json.dumps(measure(), indent=2) + "\n"
    write_text(TARGET, text)
    print(text, end="")


if __name__ == "__main__":
    main()
