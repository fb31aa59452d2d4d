"""What a run of the torture says."""

from collections.abc import Mapping, Sequence
from typing import Any

from torture.area import Tally

KILLS = "kills of "
MEANINGS = (
    "*Answered*: a result was given. *Refused*: an error message said why there is none. *Lost*: something good was "
    "lost, or there was another answer than without the damage. *Kills of extract* and so on: runs of that command "
    "were killed, and started again."
)


def summary_of(tallies: Sequence[Tally], seconds: float) -> dict[str, Any]:
    """Return the counts of all areas together."""
    inputs = [tally for tally in tallies if not tally.area.startswith(KILLS)]
    kills = [tally for tally in tallies if tally.area.startswith(KILLS)]
    refused = [tally.refused for tally in inputs if tally.area == "models"]
    return {
        "inputs": sum(tally.tried for tally in inputs),
        "crashes": sum(len(tally.crashes) for tally in tallies),
        "hangs": sum(len(tally.hangs) for tally in tallies),
        "lost": sum(len(tally.lost) for tally in tallies),
        "peak_mib": round(max((tally.peak_mib for tally in inputs), default=0.0)),
        "kills": sum(tally.tried for tally in kills),
        "kills_survived": sum(tally.tried for tally in kills if not tally.faults),
        "models_refused": sum(refused),
        "seconds": round(seconds),
    }


def page_of(tallies: Sequence[Tally], summary: Mapping[str, Any], stated: Mapping[str, Any] | None = None) -> str:
    """Return the page in Markdown, with where it comes from if that is given."""
    lines = [
        "# Hostile inputs and killed runs",
        "",
        f"{summary['inputs']} inputs were tried: {_counted(summary['crashes'], 'crash', 'crashes')}, "
        f"{_counted(summary['hangs'], 'hang')}, {_counted(summary['lost'], 'loss', 'losses')}, at most "
        f"{summary['peak_mib']} MiB of memory. {summary['kills_survived']} of {summary['kills']} kills were "
        f"survived, and {summary['models_refused']} damaged models were refused. It took "
        f"{summary['seconds'] / 60:.0f} minutes; several areas ran at the same time.",
        "",
        "| area | tried | answered | refused | crashes | hangs | lost | peak memory, MiB | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for tally in tallies:
        counts = (tally.tried, tally.answered, tally.refused, len(tally.crashes), len(tally.hangs), len(tally.lost))
        shown = [
            "-" if tally.area.startswith(KILLS) and place in (1, 2) else str(count)
            for place, count in enumerate(counts)
        ]
        peak = f"{tally.peak_mib:.0f}" if tally.peak_mib else "-"
        lines.append(f"| {tally.area} | {' | '.join(shown)} | {peak} | {tally.seconds:.0f} |")
    lines += ["", MEANINGS]
    faults = [fault for tally in tallies for fault in tally.faults]
    if faults:
        lines += ["", "Faults:", "", *(f"- `{' '.join(fault.split())[:300]}`" for fault in faults)]
    if stated:
        packages = ", ".join(f"{name} {version}" for name, version in stated["versions"].items())
        lines += [
            "",
            f"`{stated['command']}`, commit {stated['commit']}, {stated['date']}, {stated['machine']}; {packages}.",
        ]
    return "\n".join(lines) + "\n"


def _counted(count: int, one: str, several: str = "") -> str:
    return f"{count} {one if count == 1 else several or f'{one}s'}"
