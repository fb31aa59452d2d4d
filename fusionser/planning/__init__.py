"""How long an extraction of many clips takes, on how many machines, and what limits it.

- `fusionser.planning.rates`: what one clip takes, as measured, and the file of these rates that comes with fusionser,
- `fusionser.planning.measuring`: the same on this machine, with `measure_rates`,
- `fusionser.planning.projection`: time, bytes and limits, computed from the rates,
- `fusionser.planning.deadline`: how many machines finish in time.
"""

from fusionser.planning.deadline import Needed, needed_for, shards_within
from fusionser.planning.projection import Load, Machines, Projection, Store, Work, project
from fusionser.planning.rates import Rates, included_rates, read_rates, write_rates

__all__ = [
    "Load",
    "Machines",
    "Needed",
    "Projection",
    "Rates",
    "Store",
    "Work",
    "included_rates",
    "needed_for",
    "project",
    "read_rates",
    "shards_within",
    "write_rates",
]
