"""Measure how fusionser scales, each part in a process of its own, and write the page.

`python -m benchmarks.scale [PART ...]`. Without names, the parts whose figures are missing are measured, so that a run
that was stopped goes on.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.__main__ import processor
from benchmarks.measuring import ONE_CORE
from benchmarks.scale.given import Given
from benchmarks.scale.page import write_page
from fusionser.files import write_text
from fusionser.results import provenance, versions

PARTS = ("workers", "scheduler", "whole", "disturbances", "storage", "rates")
"""In the order of the page; the rates are from the figures of others."""

COMMAND = "python -m benchmarks.scale"
INCLUDED = Path("fusionser/planning/rates.toml")


def main() -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; measured anew if named")
    parser.add_argument("--data", type=Path, default=os.environ.get("FUSIONSER_DATA", "../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("reports/scale"), help="folder of the report")
    parser.add_argument("--rates", type=Path, default=INCLUDED, help="where the rates are written")
    parser.add_argument("--small", action="store_true", help="a few rows only, to try it")
    parser.add_argument("--most-seconds", type=float, default=3600.0, help="leave out what would take longer (whole)")
    parser.add_argument("--page", action="store_true", help="write the page again from the figures in the folder")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := [name for name in given.parts if name not in PARTS]:
        parser.error(f"unknown part {unknown[0]}; expected {', '.join(PARTS)}")
    if given.here:
        _measure(given.parts[0], given)
        return
    for part in [] if given.page else given.parts or _missing(given.out):
        print(part, flush=True)
        more = [*(["--small"] if given.small else []), "--most-seconds", str(given.most_seconds)]
        places = ["--data", given.data, "--out", given.out, "--rates", given.rates]
        environment = {**os.environ, **ONE_CORE, "FUSIONSER_CACHE": "off"}
        command = [sys.executable, "-m", "benchmarks.scale", part, "--here", *places, *more]
        subprocess.run(command, env=environment, check=True)
        print(write_page(given.out, PARTS), flush=True)
    if given.page:
        print(write_page(given.out, PARTS))


def _missing(out: Path) -> list[str]:
    return [part for part in PARTS if not (out / "figures" / f"{part}.json").exists()]


def _measure(part: str, given: argparse.Namespace) -> None:
    # A part may write a file of the repository, which would count as a change.
    began, source = time.perf_counter(), provenance()
    with tempfile.TemporaryDirectory() as scratch:
        asked = Given(
            Path(given.data).resolve(), Path(scratch), given.out, given.rates, given.small, given.most_seconds
        )
        figures = importlib.import_module(f"benchmarks.scale.{part}").measure(asked)
    command = f"{COMMAND} {part}{' --small' if given.small else ''}"
    packages = {**versions(), **{name: importlib.metadata.version(name) for name in ("joblib", "dask", "distributed")}}
    made = {**source, "command": command, "versions": packages, "processor": processor()}
    content = {"part": part, "figures": figures, "seconds": round(time.perf_counter() - began, 1), "provenance": made}
    write_text(given.out / "figures" / f"{part}.json", json.dumps(content, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
