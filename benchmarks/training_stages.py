"""Where the time of a training goes: the operators of an epoch by kind, and what lies between them."""

import time
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

from benchmarks.measuring import Figure

KINDS = {
    "optimiser": ("optimizer", "_foreach", "_fused", "addcmul", "addcdiv", "lerp"),
    "convolutions": ("conv",),
    "recurrent layers": ("lstm", "gru", "rnn"),
    "matrix products": ("addmm", "aten::mm", "bmm", "linear"),
    "pooling": ("pool",),
    "batches of rows": ("index", "randperm", "gather"),
}
"""Parts of the names of operators; the first kind that fits counts."""

OTHER = "other operators"
BETWEEN = "Python between operators"


def training_stages(name: str, train: Callable[[], object]) -> list[Figure]:
    """Return the share of time that each kind of operator takes.

    By the clock, as the profiler has it, whose own time is among what lies between operators.
    """
    began = time.perf_counter()
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        train()
        spent = time.perf_counter() - began
    shares = dict.fromkeys((*KINDS, OTHER, BETWEEN), 0.0)
    for one in watched.key_averages():
        kind = next((kind for kind, parts in KINDS.items() if any(part in one.key.lower() for part in parts)), OTHER)
        shares[kind] += one.self_cpu_time_total / 1e6 / spent
    shares[BETWEEN] = max(0.0, 1.0 - sum(shares.values()))
    return [
        Figure(what=f"{name}, share of an epoch: {kind}", value=round(100 * share), unit="%")
        for kind, share in shares.items()
        if share >= 0.005
    ]
