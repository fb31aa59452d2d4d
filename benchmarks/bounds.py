"""What stands in the way of the targets that were missed, in the figures that were measured with them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.processes import APART

Values = Mapping[str, float]
"""Every measured figure, by what it is of."""

STAGE = "a clip: "
READING = (f"{STAGE}decode", f"{STAGE}one channel, cut, resample")
PREDICTION = "a warm prediction, gender estimated: "
COLD = "a cold prediction: "
NETWORKS_ALONE, OTHERS_ALONE = "conv2d + conv2d-mfcc", "robust + Fisher vectors, kernel ridge"


def bounds(figures: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence or two for each target that was missed, where there is something to say of it."""
    values = {one["what"]: one["value"] for one in figures}
    told = []
    for one in figures:
        if one["met"] is not False:
            continue
        explain = next((text for what, text in EXPLAINED.items() if what in one["what"]), None)
        try:
            reason = explain(values) if explain else "no reason is known"
        except KeyError as missing:
            reason = f"the figure that tells, {missing}, was not measured"
        told.append(f"**{one['what']}**: {reason}.")
    return told


def _from_memory(values: Values) -> str:
    ours, librosa = values["ours, memory, a clip"], values["librosa, memory, a clip"]
    floor = values["floor, memory, a clip"]
    return (
        f"the floor alone, the transform and the filters, is {librosa / floor:.1f} times as fast as librosa. Of our "
        f"{ours:.2f} ms it takes {floor:.2f}; what is left is many short passes over 55 000 samples or 110 000 bins, "
        f"the longest of which are: {_longest(values, STAGE, READING)}. The target is {librosa / 12:.2f} ms"
    )


def _from_file(values: Values) -> str:
    librosa, floor = values["librosa, file, a clip"], values["floor, file, a clip"]
    return (
        f"no program that decodes and resamples in this way can reach it: the floor is only {librosa / floor:.1f} "
        f"times as fast, since {floor - values['floor, memory, a clip']:.2f} ms a clip go into reading the file"
    )


def _cores(values: Values) -> str:
    return (
        f"two processes that need nothing of one another come to {values[APART]:.2f} times one on this machine, whose "
        "cores share caches and memory; handing batches out and taking their columns back costs the rest"
    )


def _prediction(values: Values) -> str:
    return f"one answer is made of {_longest(values, PREDICTION)}"


def _best(values: Values) -> str:
    networks, others = (values[f"{name}, one core, a file, p50"] for name in (NETWORKS_ALONE, OTHERS_ALONE))
    return (
        f"its two networks, which hear each clip at three speeds, take {networks:.1f} ms, and its other members "
        f"{others:.1f} ms, each measured by themselves"
    )


def _cold(values: Values) -> str:
    return f"the longest parts are {_longest(values, COLD)}"


def _longest(values: Values, stages: str, without: Sequence[str] = (), count: int = 4) -> str:
    """Return the longest stages of a profile, as text."""
    found = {name: value for name, value in values.items() if name.startswith(stages) and name not in without}
    ranked = sorted(found, key=found.__getitem__, reverse=True)[:count]
    unit = "s" if stages == COLD else "ms"
    return ", ".join(f"{name.removeprefix(stages)} ({found[name]:.2f} {unit})" for name in ranked)


EXPLAINED: Mapping[str, Callable[[Values], str]] = {
    "from memory: librosa's time over ours": _from_memory,
    "from the file: librosa's time over ours": _from_file,
    "two cores against one": _cores,
    "best, one core, a file, p50": _best,
    "a file, p50": _prediction,
    "a file, p99": _prediction,
    "predict of one file, cold": _cold,
}
