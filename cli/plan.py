"""The command ``fusionser plan``."""

from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from fusionser.errors import SettingsError

from .console import print_json, print_table, progress_bar, say, write
from .option_checks import check_file_to_write
from .option_groups import Group, option

TABLE = tuple(10**power for power in range(6, 10))
"""Numbers of clips of the table that is printed without ``--clips``."""

GIGABIT, GIBIBYTE, MILLISECOND = 1e9 / 8, 2.0**30, 1e-3


class Recordings(Group):
    """What is analysed."""

    panel = "Recordings"
    clips: str | None = option(
        "Number of clips, such as 1e8; by default a table for a million to a billion.", main=True
    )
    seconds: float | None = option(
        "Seconds of a clip; by default those of the recordings that were measured.", min=0.001, max=900, main=True
    )
    preset: str | None = option("Preset: {presets}. It must be one that was measured.", main=True)
    clip_bytes: float | None = option("Bytes of a clip's file; by default as measured.", min=1)
    known_durations: bool = option(
        "The rows come from a table with the column 'end', so that no header is read first.", False, "--known-durations"
    )
    dataset: bool = option(
        "The features go to a dataset of many parts, whose jobs list the recordings and write.", False, "--dataset"
    )


class Place(Group):
    """Where it is analysed, and where the recordings are."""

    panel = "Machines"
    machines: int = option("Number of machines.", 1, min=1, main=True)
    cores: int = option("Cores of each machine.", 16, min=1, main=True)
    bandwidth: float = option("Network of each machine, in Gbit/s.", 10.0, min=0.001)
    memory: float = option("Memory for rows on a machine that runs a command, in GiB.", 64.0, min=0.01)
    shards: int | None = option(
        "Commands that run at once, each with a shard of the rows and a scheduler; by default as few as fit into "
        "--memory.",
        min=1,
    )
    store_latency: float = option("Milliseconds until the first byte of a recording is there.", 0.0, min=0)
    store_requests: float | None = option("Files a second that the store gives; by default any number.", min=0.001)
    store_bandwidth: float | None = option(
        "Gbit/s that the store gives to all machines; by default any number.", min=0.001
    )


class Asked(Group):
    """The options of the command."""

    panel = "Plan"
    hours: float | None = option("Deadline; says how many machines finish in time.", min=0.001, main=True)
    price: float | None = option("Price of a core for an hour, in any currency.", min=0, main=True)
    measure: Path | None = option("Folder of recordings to measure on this machine, for a minute.", main=True)
    rates: Path | None = option(
        "File of rates (.toml) to use instead of those that come with fusionser; with --measure, it is written.",
    )
    recordings: Recordings
    place: Place
    json: bool = option("Print JSON on standard output.", False, "--json", main=True)


def plan(asked: Asked) -> None:
    """Project how long the features of many clips take, what that costs, and what limits it, from measured rates."""
    from fusionser.planning import project
    from fusionser.reporting.planning import rates_text

    rates = _rates(asked)
    counts = TABLE if asked.recordings.clips is None else (clip_count(asked.recordings.clips),)
    cases = [_case(asked, count, rates) for count in counts]
    projections = [project(*case, rates) for case in cases]
    needed = [_needed(asked, *case, rates) for case in cases]
    if asked.json:
        each = [_plain(*pair, asked.price) for pair in zip(projections, needed, strict=True)]
        print_json({"projections": each, "rates": rates.model_dump()})
        return
    if asked.recordings.clips is None:
        _write_table(projections, needed, asked.price)
    else:
        _write_one(projections[0], needed[0], asked.price)
    write(rates_text(rates))


def _write_one(projection: Any, needed: Any, price: float | None) -> None:
    from fusionser.reporting.planning import described, limits, needed_text, title

    print_table(title(projection), ["what", "how much"], described(projection, price), numbers=["how much"])
    for sentence in [*limits(projection), *([] if needed is None else [needed_text(needed)])]:
        write(sentence)


def _write_table(projections: list[Any], needed: list[Any], price: float | None) -> None:
    from fusionser.reporting.planning import PROJECTION_COLUMNS, needed_row, of_each, projection_row, remedy

    columns = [*PROJECTION_COLUMNS, *([] if price is None else ["cost"])]
    rows = [projection_row(one, price) for one in projections]
    if needed[0] is not None:
        columns += [f"machines for {needed[0].hours:g} h", "shards", "limit then"]
        rows = [[*row, *needed_row(one)] for row, one in zip(rows, needed, strict=True)]
    texts = {"limit", "limit then"}
    print_table(of_each(projections[0]), columns, rows, numbers=[name for name in columns if name not in texts])
    found = [one.projection for one in needed if one is not None and one.projection is not None]
    for limit in dict.fromkeys(one.limit for one in [*projections, *found]):
        write(remedy(limit))


def _plain(projection: Any, needed: Any, price: float | None) -> dict[str, Any]:
    """Return a projection as plain values, with the machines that are needed for the deadline."""
    values = {
        **asdict(projection),
        "seconds": projection.seconds,
        "limit": projection.limit,
        "core_hours": projection.core_hours,
        "cost": None if price is None else price * projection.core_hours,
        "useful_machines": projection.useful_machines,
        "next_limit": projection.next_limit,
    }
    if needed is None:
        return values
    found = needed.projection
    return {**values, "hours": needed.hours, "needed": None if found is None else _plain(found, None, price)}


def clip_count(text: str) -> int:
    """Return the number of clips that a text such as ``1e8`` stands for.

    Raises
    ------
    SettingsError
        If it is none, or no whole number that a projection takes.

    Examples
    --------
    >>> clip_count("1e8"), clip_count("2_500_000")
    (100000000, 2500000)
    """
    from fusionser.planning.projection import MOST_CLIPS

    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("nan")
    if number.is_nan() or not 1 <= number <= MOST_CLIPS or number != int(number):
        raise SettingsError(f"--clips is '{text}'; expected a whole number from 1 to 1e13, such as 250000 or 1e8")
    return int(number)


def _rates(asked: Asked) -> Any:
    """Return the rates that come with fusionser, those of a file, or those that are measured now."""
    from fusionser.corpora.audio_files import audio_files
    from fusionser.planning import included_rates, read_rates, write_rates

    if asked.measure is None:
        return included_rates() if asked.rates is None else read_rates(asked.rates)
    check_file_to_write(asked.rates, "--rates")
    if not asked.measure.is_dir():
        raise SettingsError(f"--measure is {asked.measure}; expected a folder of recordings")
    if asked.rates is not None and asked.rates.suffix.lower() != ".toml":
        raise SettingsError(f"--rates is {asked.rates}; expected a file ending in .toml")
    from fusionser.planning.measuring import measure_rates

    with progress_bar("measuring, s") as progress:
        rates = measure_rates(audio_files(asked.measure).files, included_rates(), progress=progress)
    if asked.rates is not None:
        say(str(write_rates(rates, asked.rates)))
    return rates


def _case(asked: Asked, count: int, rates: Any) -> tuple[Any, Any, Any]:
    """Return the work, the machines and the store."""
    from fusionser.names import DEFAULT_PRESET
    from fusionser.planning import Machines, Store, Work, shards_within

    given, place = asked.recordings, asked.place
    work = Work(
        clips=count,
        seconds=rates.recordings.seconds if given.seconds is None else given.seconds,
        preset=given.preset or DEFAULT_PRESET,
        clip_bytes=given.clip_bytes,
        known_durations=given.known_durations,
        dataset=given.dataset,
    )
    least = shards_within(place.memory * GIBIBYTE, work, rates)
    machines = Machines(
        machines=place.machines,
        cores=place.cores,
        bandwidth=place.bandwidth * GIGABIT,
        shards=least if place.shards is None else place.shards,
    )
    if machines.shards < least:
        say(f"note: the rows of {machines.shards} shards do not fit into {place.memory:g} GiB; use {least}")
    gigabits = place.store_bandwidth
    store = Store(
        latency=place.store_latency * MILLISECOND,
        requests=place.store_requests,
        bandwidth=None if gigabits is None else gigabits * GIGABIT,
    )
    return work, machines, store


def _needed(asked: Asked, work: Any, machines: Any, store: Any, rates: Any) -> Any:
    from fusionser.planning import needed_for

    return None if asked.hours is None else needed_for(asked.hours, work, machines, store, rates)
