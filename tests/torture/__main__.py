"""Try hostile inputs and kill runs, and say what became of them: `make torture`."""

import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fusionser.files import write_text
from fusionser.reporting.web_page import write_pages
from fusionser.results import provenance
from torture.area import AREAS, Tally, area_of
from torture.kills import COMMANDS, KILLS, kill_runs
from torture.page import page_of, summary_of
from torture.watch import try_inputs

SHARES = 2
"""Areas that run at the same time."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("areas", nargs="*", help=f"of {', '.join([*AREAS, 'kills'])}; all when none is named")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="share of the inputs and kills, such as 0.1")
    parser.add_argument("--first", type=int, default=0, help="number of the first input, to try a single one again")
    parser.add_argument("--count", type=int, help="number of inputs of each area, instead of --share")
    parser.add_argument("--out", type=Path, help="folder for torture.json and report.md")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    unknown = set(given.areas) - {*AREAS, "kills"}
    if unknown:
        parser.error(f"no area is named {', '.join(sorted(unknown))}; expected {', '.join([*AREAS, 'kills'])}")
    begun = time.monotonic()
    tallies = run(given.areas or [*AREAS, "kills"], given.seed, given.share, given.first, given.count)
    summary = summary_of(tallies, time.monotonic() - begun)
    if given.out:
        _write(tallies, summary, given.out)
    print(
        json.dumps({**summary, "areas": [asdict(tally) for tally in tallies]})
        if given.json
        else page_of(tallies, summary)
    )
    sys.exit(1 if summary["crashes"] or summary["hangs"] or summary["lost"] else 0)


def run(areas: list[str], seed: int, share: float, first: int = 0, count: int | None = None) -> list[Tally]:
    """Run areas side by side, and kills after them."""

    def tried(name: str) -> Tally:
        number = count or max(1, round(area_of(name)[1] * share))
        tally = try_inputs(name, seed, range(first, first + number))
        print(f"{name}: {tally.tried} inputs, {len(tally.faults)} faults, {tally.seconds:.0f} s", file=sys.stderr)
        return tally

    def killed(name: str) -> Tally:
        tally = kill_runs(name, seed, max(1, round(KILLS * share)))
        print(f"kills of {name}: {tally.tried}, {len(tally.faults)} faults, {tally.seconds:.0f} s", file=sys.stderr)
        return tally

    with ThreadPoolExecutor(SHARES) as pool:
        tallies = list(pool.map(tried, [name for name in AREAS if name in areas]))
        return [*tallies, *pool.map(killed, COMMANDS if "kills" in areas else [])]


def _write(tallies: list[Tally], summary: dict[str, Any], folder: Path) -> None:
    sys.argv[0] = "torture"
    stated = provenance()
    stated["command"] = f"PYTHONPATH=tests python -m {stated['command']}"
    written = {"summary": summary, "areas": [asdict(tally) for tally in tallies], "provenance": stated}
    write_text(folder / "torture.json", json.dumps(written, indent=1))
    write_pages(folder, page_of(tallies, summary, stated))


if __name__ == "__main__":
    # What is found must not depend on the user's cache.
    os.environ["FUSIONSER_CACHE"] = "off"
    main()
