"""A projection in words: how long an extraction takes, what it costs, what limits it, and what would change that."""

from collections.abc import Mapping, Sequence

from fusionser.planning import Needed, Projection, Rates
from fusionser.planning.projection import (
    COLLECTING,
    DECODING,
    FEATURES,
    LISTING,
    MOST_MACHINES,
    MOVING,
    NETWORK,
    REQUESTS,
    SCHEDULER,
    SCHEDULER_NETWORK,
    SENDING,
    STORE_BANDWIDTH,
    WAITING,
    WORKERS,
    WRITING,
)
from fusionser.planning.rates import CLIPS, CLUSTER
from fusionser.reporting.words import counted

__all__ = [
    "PROJECTION_COLUMNS",
    "described",
    "duration",
    "grouped",
    "limits",
    "needed_row",
    "needed_text",
    "of_each",
    "projection_row",
    "rates_text",
    "remedy",
    "size",
    "title",
]

NAMES: Mapping[str, str] = {
    LISTING: "listing",
    WORKERS: "workers",
    DECODING: "decoding",
    FEATURES: "features",
    WAITING: "waiting for the store",
    MOVING: "moving rows",
    WRITING: "writing parts",
    NETWORK: "network of the machines",
    STORE_BANDWIDTH: "bandwidth of the store",
    REQUESTS: "requests to the store",
    SCHEDULER: "scheduler",
    SCHEDULER_NETWORK: "network of the scheduler",
    COLLECTING: "collecting and writing",
    SENDING: "naming and sending",
}
"""What takes time, in the words of docs/scale.md."""

SHARDS = "several commands at once, each for a shard of the rows, with a scheduler of its own (--shards)"

REMEDIES: Mapping[str, str] = {
    LISTING: f"a dataset of features, whose jobs list (--dataset), a table with the durations in a column 'end' "
    f"(--known-durations), or {SHARDS}",
    DECODING: "more machines, or recordings that take less to decode: WAV, or a lower sampling rate",
    FEATURES: "more machines, or a preset that computes less",
    WAITING: "more workers than cores on each machine, or fewer and larger files, of which rows name parts by 'start' "
    "and 'end'",
    MOVING: "more machines, or longer clips",
    WRITING: "more machines, or a preset that has fewer columns",
    NETWORK: "more machines, or recordings in a format that takes fewer bytes",
    STORE_BANDWIDTH: "recordings in a format that takes fewer bytes, or copies of them on the machines",
    REQUESTS: "fewer and larger files, of which rows name parts by 'start' and 'end'",
    SCHEDULER: f"{SHARDS}, or larger groups of tasks",
    SCHEDULER_NETWORK: SHARDS,
    COLLECTING: f"a dataset of features, whose jobs write (--dataset), or {SHARDS}",
    SENDING: SHARDS,
}
"""What makes a limit matter less."""

PROJECTION_COLUMNS = ("clips", "time", "core hours", "read", "written", "memory", "limit")


def grouped(number: int) -> str:
    """Return a whole number with a blank between its thousands.

    Examples
    --------
    >>> grouped(12345678)
    '12 345 678'
    """
    return f"{number:,}".replace(",", " ")


def duration(seconds: float) -> str:
    """Return a duration in the largest unit of which there are two.

    Examples
    --------
    >>> duration(90), duration(5400), duration(9000), duration(400000), duration(0.25)
    ('90 s', '90 min', '2.5 h', '4.63 days', '0.25 s')
    """
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{_three(seconds / length)} {unit}"
    return f"{_three(seconds)} s"


def size(count: float) -> str:
    """Return a number of bytes in a unit that is a power of 1000.

    Examples
    --------
    >>> size(999), size(1.16e13), size(5e20)
    ('999 bytes', '11.6 TB', '500000 PB')
    """
    for unit, length in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{_three(count / length)} {unit}"
    return f"{_three(count)} bytes"


def _three(number: float) -> str:
    """Return a number with three digits, or all that are before its point."""
    return f"{number:.0f}" if number >= 99.95 else f"{number:.3g}"


def remedy(limit: str) -> str:
    """Return what makes a limit matter less, as a sentence.

    Examples
    --------
    >>> remedy("features")
    'Where the limit is features, what helps is more machines, or a preset that computes less.'
    """
    return f"Where the limit is {NAMES[limit]}, what helps is {REMEDIES[limit]}."


def title(projection: Projection) -> str:
    """Return what is projected, in one sentence."""
    work, machines = projection.work, projection.machines
    shards = f", {machines.shards} shards at once" if machines.shards > 1 else ""
    return (
        f"{grouped(work.clips)} {'clip' if work.clips == 1 else 'clips'} of {work.seconds:.3g} s, {work.preset}, on "
        f"{counted(machines.machines, 'machine')} with {counted(machines.cores, 'core')} each{shards}"
    )


def described(projection: Projection, price: float | None) -> list[tuple[str, str]]:
    """Return what there is to say of a projection, by what it is.

    Parameters
    ----------
    projection : Projection
    price : float, optional
        Of a core hour.
    """
    loads = sorted(projection.loads, key=lambda load: -load.seconds)
    rows = [("time", duration(projection.seconds))]
    if projection.listing.seconds:
        rows.append(("  first, the listing", duration(projection.listing.seconds)))
    for load in loads:
        rows.append((f"  {NAMES[load.name]}", duration(load.seconds)))
        parts = {name: seconds for name, seconds in load.parts.items() if seconds}
        rows += [(f"    {NAMES[name]}", duration(seconds)) for name, seconds in parts.items()]
    rows.append(("core hours", f"{_three(projection.core_hours)}"))
    if price is not None:
        rows.append(("cost", f"{price * projection.core_hours:.2f}"))
    rows += [
        ("read", size(projection.bytes_read)),
        ("written", size(projection.bytes_written)),
        ("memory of the machine that runs the command", size(projection.memory)),
    ]
    return rows


def of_each(projection: Projection) -> str:
    """Return what all projections of a table have in common."""
    work, machines = projection.work, projection.machines
    return (
        f"clips of {work.seconds:.3g} s, {work.preset}, on {counted(machines.machines, 'machine')} with "
        f"{counted(machines.cores, 'core')} each"
    )


def needed_row(needed: Needed) -> list[str]:
    """Return the machines and the shards that finish in time, and what limits them then; dashes if none do."""
    found = needed.projection
    if found is None:
        return ["none", "-", "the store"]
    return [grouped(found.machines.machines), grouped(found.machines.shards), NAMES[found.limit]]


def projection_row(projection: Projection, price: float | None) -> list[str]:
    """Return a projection as a row of a table with `PROJECTION_COLUMNS`, and the cost if there is a price."""
    row = [
        grouped(projection.work.clips),
        duration(projection.seconds),
        _three(projection.core_hours),
        size(projection.bytes_read),
        size(projection.bytes_written),
        size(projection.memory),
        NAMES[projection.limit],
    ]
    return row if price is None else [*row, f"{price * projection.core_hours:.2f}"]


def limits(projection: Projection) -> list[str]:
    """Return what takes longest, when something else does, and what would change that, as sentences."""
    limit = projection.limit
    told = [f"What takes longest: {NAMES[limit]}. What helps: {REMEDIES[limit]}."]
    fixed, useful = projection.next_limit, projection.useful_machines
    if useful >= MOST_MACHINES:
        return told
    helps = "" if fixed == limit else f" What helps then: {REMEDIES[fixed]}."
    if projection.longest.shared == "machines":
        told.append(f"With more than {counted(useful, 'machine')}, what takes longest is {NAMES[fixed]}.{helps}")
    else:
        told.append(f"{counted(useful, 'machine')} would be as fast, since {NAMES[fixed]} takes longer than they do.")
    return told


def needed_text(needed: Needed) -> str:
    """Return how many machines finish in time, in one sentence."""
    found = needed.projection
    hours = f"{needed.hours:g} h"
    if found is None:
        return (
            f"No number of machines and shards finishes in {hours}: the store takes longer by itself. What helps: "
            f"{REMEDIES[REQUESTS]}; or {REMEDIES[STORE_BANDWIDTH]}."
        )
    shards = f", with {found.machines.shards} shards at once," if found.machines.shards > 1 else ""
    verb = "finishes" if found.machines.machines == 1 and not shards else "finish"
    return (
        f"{counted(found.machines.machines, 'machine')} with {counted(found.machines.cores, 'core')} each{shards} "
        f"{verb} in {hours}: in {duration(found.seconds)}."
    )


def rates_text(rates: Rates) -> str:
    """Return what the rates were measured on, in one sentence."""
    some, parts = rates.recordings, []
    for name, what in ((CLIPS, "clips"), (CLUSTER, "the cluster")):
        made = rates.measured.get(name)
        if made is not None:
            parts.append(f"{what} on {_machine(made)}, {made['date']}")
    return (
        f"Rates of {counted(some.count, 'recording')} ({some.kind}, {some.seconds:.1f} s on average)"
        f"{': ' if parts else ''}{'; '.join(parts)}."
    )


def _machine(made: Mapping[str, object]) -> str:
    words: Sequence[object] = (made.get("processor") or made["machine"], made.get("cores"))
    return f"{words[0]}{f' with {words[1]} cores' if words[1] else ''}"
