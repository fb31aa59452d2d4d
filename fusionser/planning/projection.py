"""The time, the bytes and the limit of an extraction, from what one clip takes.

Each resource is busy for a time of its own, and all work at once, so the one that is busy longest decides. The listing
comes before. docs/scale.md has the formulas.
"""

from dataclasses import dataclass, field
from typing import Literal

from fusionser.checks import check_range, check_truth, check_whole
from fusionser.execution.grouping import MOST_TASKS, SECONDS
from fusionser.features.extraction import BATCH
from fusionser.names import DEFAULT_PRESET
from fusionser.pipeline.dataset_plan import ROWS_OF_A_PART
from fusionser.planning.rates import Rates

__all__ = [
    "COLLECTING",
    "DECODING",
    "FEATURES",
    "LISTING",
    "MOVING",
    "NETWORK",
    "REQUESTS",
    "SCHEDULER",
    "SCHEDULER_NETWORK",
    "SENDING",
    "STORE_BANDWIDTH",
    "WAITING",
    "WORKERS",
    "WRITING",
    "Load",
    "Machines",
    "Projection",
    "Store",
    "Work",
    "project",
]

LISTING = "listing"
WORKERS, DECODING, FEATURES, WAITING, MOVING = "workers", "decoding", "features", "waiting", "moving"
WRITING = "writing"
NETWORK, STORE_BANDWIDTH, REQUESTS = "network", "store-bandwidth", "requests"
SCHEDULER, SCHEDULER_NETWORK, COLLECTING, SENDING = "scheduler", "scheduler-network", "collecting", "sending"

MOST_CLIPS, MOST_SECONDS, MOST_MACHINES, MOST_CORES, MOST_RATE = 10**13, 900.0, 10**6, 4096, 1e15

NUMBER_BYTES = 4
"""Bytes of a number in an answer."""

Shared = Literal["machines", "shards", "nothing"]


@dataclass(frozen=True, kw_only=True)
class Work:
    """The clips to analyse.

    Parameters
    ----------
    clips : int
    seconds : float
        Duration of a clip, up to 900.
    preset : str, default="robust"
    clip_bytes : float, optional
        Size of its file; by default as that of the recordings that were measured.
    known_durations : bool, default=False
        Whether the rows come from a table with the column ``end``, so that no header is read first.
    dataset : bool, default=False
        Whether the features go to a dataset, whose jobs list the recordings and write the parts themselves, instead of
        to a file, which the command writes.

    Raises
    ------
    SettingsError
        If a number is out of its range.
    """

    clips: int
    seconds: float
    preset: str = DEFAULT_PRESET
    clip_bytes: float | None = None
    known_durations: bool = False
    dataset: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_whole("clips", self.clips)
        check_range("clips", self.clips, 1, MOST_CLIPS)
        check_range("seconds", self.seconds, 0.001, MOST_SECONDS)
        if self.clip_bytes is not None:
            check_range("clip_bytes", self.clip_bytes, 1, MOST_RATE)
        check_truth("known_durations", self.known_durations)
        check_truth("dataset", self.dataset)


@dataclass(frozen=True, kw_only=True)
class Machines:
    """The machines that analyse.

    Parameters
    ----------
    machines : int, default=1
    cores : int, default=16
        Cores of each, with one worker each.
    bandwidth : float, default=1.25e9
        Bytes a second of the network of each, in each direction.
    shards : int, default=1
        Commands that run at once, each with a part of the rows and with a scheduler of its own.

    Raises
    ------
    SettingsError
        If a number is out of its range.
    """

    machines: int = 1
    cores: int = 16
    bandwidth: float = 1.25e9
    shards: int = 1

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, most in (("machines", MOST_MACHINES), ("cores", MOST_CORES), ("shards", MOST_MACHINES)):
            check_whole(name, getattr(self, name))
            check_range(name, getattr(self, name), 1, most)
        check_range("bandwidth", self.bandwidth, 1, MOST_RATE)


@dataclass(frozen=True, kw_only=True)
class Store:
    """The place of the recordings.

    Parameters
    ----------
    latency : float, default=0.0
        Seconds until the first byte of a file is there.
    requests : float, optional
        Files a second that it gives to all machines together; by default any number.
    bandwidth : float, optional
        Bytes a second that it gives to all machines together; by default any number.

    Raises
    ------
    SettingsError
        If a number is out of its range.
    """

    latency: float = 0.0
    requests: float | None = None
    bandwidth: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range("latency", self.latency, 0, 3600)
        for name in ("requests", "bandwidth"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 1e-3, MOST_RATE)


@dataclass(frozen=True)
class Load:
    """How long a resource is busy.

    Parameters
    ----------
    name : str
    seconds : float
    shared : {"machines", "shards", "nothing"}
        More of what make it shorter.
    parts : dict of str to float
        Seconds of what it is busy with, if there are several such things.
    """

    name: str
    seconds: float
    shared: Shared
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def largest(self) -> str:
        """What it is busy with for most of the time."""
        return max(self.parts, key=self.parts.__getitem__) if self.parts else self.name


@dataclass(frozen=True, kw_only=True)
class Projection:
    """What an extraction takes.

    Parameters
    ----------
    work, machines, store
        What it is computed for.
    listing : Load
        What comes first.
    loads : tuple of Load
        What works at once afterwards.
    bytes_read, bytes_written : float
    memory : float
        Bytes of the rows, on each of the machines that run a command.
    group : int
        Clips that are sent to a worker together.
    """

    work: Work
    machines: Machines
    store: Store
    listing: Load
    loads: tuple[Load, ...]
    bytes_read: float
    bytes_written: float
    memory: float
    group: int

    @property
    def longest(self) -> Load:
        """The load that decides how long the analysis takes."""
        return max(self.loads, key=lambda load: load.seconds)

    @property
    def seconds(self) -> float:
        """Duration of the whole."""
        return self.listing.seconds + self.longest.seconds

    @property
    def limit(self) -> str:
        """Name of what takes longest: the listing, a load, or the largest part of that load."""
        return LISTING if self.listing.seconds > self.longest.seconds else self.longest.largest

    @property
    def core_hours(self) -> float:
        """Hours of all cores of all machines."""
        return self.machines.machines * self.machines.cores * self.seconds / 3600

    @property
    def useful_machines(self) -> int:
        """Most machines that make the analysis shorter: with more, what they do not share takes longest."""
        fixed = max(load.seconds for load in self.loads if load.shared != "machines")
        shared = max(load.seconds for load in self.loads if load.shared == "machines")
        # Without what is fixed, all that there are would be useful.
        return MOST_MACHINES if not fixed else max(1, min(MOST_MACHINES, int(self.machines.machines * shared / fixed)))

    @property
    def next_limit(self) -> str:
        """Name of the longest load that more machines do not make shorter."""
        return max((load for load in self.loads if load.shared != "machines"), key=lambda load: load.seconds).name


def project(work: Work, machines: Machines, store: Store, rates: Rates) -> Projection:
    """Compute what an extraction takes.

    Parameters
    ----------
    work : Work
    machines : Machines
    store : Store
    rates : Rates

    Returns
    -------
    Projection

    Raises
    ------
    SettingsError
        If the rates have no such preset.

    Examples
    --------
    >>> from fusionser.planning.rates import included_rates
    >>> few, many = (
    ...     project(Work(clips=10**8, seconds=5.0), Machines(machines=count), Store(), included_rates())
    ...     for count in (2, 4)
    ... )
    >>> few.limit, few.longest.seconds > many.longest.seconds, few.bytes_read == many.bytes_read
    ('features', True, True)
    """
    preset, cluster, clips = rates.preset(work.preset), rates.cluster, work.clips
    clip_bytes = work.seconds * rates.recordings.bytes_per_second if work.clip_bytes is None else work.clip_bytes
    computing = {
        DECODING: rates.decoding.per_clip + rates.decoding.per_second * work.seconds,
        FEATURES: preset.per_clip + preset.per_second * work.seconds,
        WAITING: store.latency,
    }
    if work.dataset:
        computing |= {LISTING: 0.0 if work.known_durations else rates.asking.listing, WRITING: preset.collecting}
    group = ROWS_OF_A_PART if work.dataset else _group(sum(computing.values()))
    computing[MOVING] = cluster.worker_per_row + cluster.worker_per_group / group
    cores, shards = machines.machines * machines.cores, machines.shards
    parts = {name: clips * seconds / cores for name, seconds in computing.items()}
    arriving = clip_bytes + cluster.task_bytes
    sending = cluster.asking_per_row + cluster.asking_per_group / group
    if work.dataset:
        # The answer of a job has nothing for each row.
        answer, command = 0.0, Load(SENDING, clips * (rates.asking.naming + sending) / shards, "shards")
    else:
        answer = cluster.answer_bytes + NUMBER_BYTES * preset.columns
        command = Load(COLLECTING, clips * (preset.collecting + sending) / shards, "shards")
    loads = [
        Load(WORKERS, sum(parts.values()), "machines", parts),
        Load(NETWORK, clips * arriving / (machines.machines * machines.bandwidth), "machines"),
        Load(SCHEDULER, clips * (cluster.scheduler_per_row + cluster.scheduler_per_group / group) / shards, "shards"),
        Load(SCHEDULER_NETWORK, clips * (cluster.task_bytes + answer) / (shards * machines.bandwidth), "shards"),
        command,
    ]
    if store.bandwidth is not None:
        loads.append(Load(STORE_BANDWIDTH, clips * clip_bytes / store.bandwidth, "nothing"))
    if store.requests is not None:
        requests = clips * (1 + 1 / ROWS_OF_A_PART) if work.dataset else clips
        loads.append(Load(REQUESTS, requests / store.requests, "nothing"))
    return Projection(
        work=work,
        machines=machines,
        store=store,
        listing=_listing(work, machines, store, rates),
        loads=tuple(loads),
        bytes_read=clips * clip_bytes,
        bytes_written=clips * preset.bytes_per_row,
        memory=clips * rates.asking.memory / shards,
        group=group,
    )


def _group(seconds: float) -> int:
    """Return how many clips of so many seconds are sent to a worker together, in a long run; see `Grouping`."""
    return BATCH * max(1, min(MOST_TASKS, int(SECONDS / (BATCH * seconds)) if seconds else MOST_TASKS))


def _listing(work: Work, machines: Machines, store: Store, rates: Rates) -> Load:
    """Return the time in which the command reads the durations, one after the other."""
    if work.known_durations or work.dataset:
        return Load(LISTING, 0.0, "shards")
    alone = work.clips * (rates.asking.listing + store.latency) / machines.shards
    by_store = 0.0 if store.requests is None else work.clips / store.requests
    return Load(LISTING, max(alone, by_store), "shards")
