"""Measure, each part in a process of its own, and write the page: `python -m benchmarks [PART ...]`."""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import ONE_CORE
from benchmarks.page import write_page

PARTS = (
    "extraction",
    "processes",
    "caching",
    "studies",
    "training",
    "augmentation",
    "prediction",
    "steps",
    "cold",
    "hours",
    "profiles",
    "growth",
    "device",
    "voice",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all when none is named")
    parser.add_argument("--ravdess", type=Path, default=_ravdess(), help="folder of RAVDESS speech")
    parser.add_argument("--out", type=Path, default=Path("reports/benchmarks"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ravdess is None or not given.ravdess.is_dir():
        parser.error(f"RAVDESS is not in {given.ravdess}; give its folder with --ravdess, or set FUSIONSER_DATA")
    if given.here:
        _measure(given.parts[0], given.ravdess, given.out)
        return
    for part in given.parts or PARTS:
        print(part, flush=True)
        command = [sys.executable, "-m", "benchmarks", part, "--here"]
        environment = {**os.environ, **ONE_CORE, "FUSIONSER_CACHE": "off"}
        subprocess.run([*command, "--ravdess", given.ravdess, "--out", given.out], env=environment, check=True)
    print(write_page(given.out))


def _ravdess() -> Path | None:
    data = os.environ.get("FUSIONSER_DATA")
    return Path(data if data else "../shared/data") / "ravdess"


def _measure(part: str, ravdess: Path, out: Path) -> None:
    from fusionser.results import provenance

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        figures = importlib.import_module(f"benchmarks.{part}").measure(ravdess.resolve(), Path(scratch))
    seconds = round(time.perf_counter() - began, 1)
    plain = [figure.plain() for figure in figures]
    for one in plain:
        print(f"  {one['what']}: {one['value']:g} {one['unit']}")
    made = {**provenance(), "command": f"python -m benchmarks {part}", "processor": processor()}
    (out / "figures").mkdir(parents=True, exist_ok=True)
    content = json.dumps({"part": part, "figures": plain, "seconds": seconds, "provenance": made}, indent=2)
    (out / "figures" / f"{part}.json").write_text(content + "\n")


def processor() -> str:
    """Return the processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


if __name__ == "__main__":
    main()
