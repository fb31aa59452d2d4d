"""How many machines and shards finish an extraction in time."""

from dataclasses import dataclass, replace
from math import ceil

from fusionser.checks import check_range
from fusionser.planning.projection import MOST_MACHINES, Machines, Projection, Store, Work, project
from fusionser.planning.rates import Rates

__all__ = ["Needed", "needed_for", "shards_within"]

MOST_HOURS = 1e6


@dataclass(frozen=True)
class Needed:
    """What finishes in time.

    Parameters
    ----------
    hours : float
        The deadline.
    projection : Projection or None
        With the fewest shards, and then the fewest machines, that finish in time; None if no number does.
    """

    hours: float
    projection: Projection | None


def needed_for(hours: float, work: Work, machines: Machines, store: Store, rates: Rates) -> Needed:
    """Return the fewest shards, at least those given, and then the fewest machines, that finish in time.

    Parameters
    ----------
    hours : float
        The deadline.
    work, store, rates
        As in `project`.
    machines : Machines
        As in `project`; their number does not count.

    Raises
    ------
    SettingsError
        If a number is out of its range, or the rates have no such preset.

    Examples
    --------
    >>> from fusionser.planning.rates import included_rates
    >>> work, machines = Work(clips=10**7, seconds=5.0), Machines(cores=16)
    >>> needed = needed_for(24.0, work, machines, Store(), included_rates()).projection
    >>> needed.seconds <= 24 * 3600
    True
    """
    check_range("hours", hours, 1e-3, MOST_HOURS)

    def with_shards(shards: int) -> Projection | None:
        return _with_fewest_machines(hours * 3600, work, replace(machines, shards=shards), store, rates)

    fewest, most = machines.shards, MOST_MACHINES
    if (found := with_shards(fewest)) is not None:
        return Needed(hours, found)
    if (found := with_shards(most)) is None:
        return Needed(hours, None)
    while most - fewest > 1:
        middle = (fewest + most) // 2
        if (one := with_shards(middle)) is None:
            fewest = middle
        else:
            most, found = middle, one
    return Needed(hours, found)


def _with_fewest_machines(
    seconds: float, work: Work, machines: Machines, store: Store, rates: Rates
) -> Projection | None:
    """Return the projection with the fewest machines that finish in time; None if no number does."""
    with_one = project(work, replace(machines, machines=1), store, rates)
    left = seconds - with_one.listing.seconds
    fixed = max(load.seconds for load in with_one.loads if load.shared != "machines")
    shared = max(load.seconds for load in with_one.loads if load.shared == "machines")
    if left <= 0 or fixed > left or (count := max(1, ceil(shared / left))) > MOST_MACHINES:
        return None
    return project(work, replace(machines, machines=count), store, rates)


def shards_within(memory: float, work: Work, rates: Rates) -> int:
    """Return the fewest shards whose rows fit into the memory of the machine that runs their command.

    Parameters
    ----------
    memory : float
        Bytes.
    work, rates
        As in `project`.

    Raises
    ------
    SettingsError
        If the memory is out of its range.

    Examples
    --------
    >>> from fusionser.planning.rates import included_rates
    >>> rates = included_rates()
    >>> shards_within(rates.asking.memory * 10**6, Work(clips=10**7 + 1, seconds=5.0), rates)
    11
    """
    check_range("memory", memory, 1, 1e18)
    return max(1, min(MOST_MACHINES, ceil(work.clips * rates.asking.memory / memory)))
