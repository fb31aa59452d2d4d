"""Features of one clip on one core: ours, librosa's, openSMILE's, and the floor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import by_librosa
from benchmarks.measuring import OFFSET, SECONDS, Figure, files, interleaved, milliseconds, waveform
from benchmarks.peers import run_peer
from fusionser.features import fusionnet, wide
from fusionser.features.extraction import compute_clips
from fusionser.memory import reused_memory

CLIPS = 60
PEER_SETS = ("emobase", "eGeMAPSv02")


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the figures of the first target."""
    names = files(ravdess, CLIPS)
    clips = [waveform(name, by_librosa.RATE) for name in names]
    slower = [waveform(name, 16000) for name in names]
    floor = by_librosa.Floor()
    paper = dict(fusionnet(gender=False, offset=OFFSET, duration=SECONDS).blocks)
    # Waveforms are already cut.
    paper_of_cut = dict(fusionnet(gender=False, duration=SECONDS).blocks)
    many = dict(wide().blocks)

    def ours(blocks: dict[str, Any], rate: int | None = None) -> Callable[[Any], Any]:
        def row(item: Any) -> dict[str, Any]:
            return {"file": item} if rate is None else {"waveform": item, "sampling_rate": rate}

        return lambda item: compute_clips([row(item)], blocks)

    contestants: dict[str, Callable[[Any], Any]] = {
        "floor, file": floor.of_file,
        "floor, memory": floor.of_waveform,
        "ours, file": ours(paper),
        "ours, memory": ours(paper_of_cut, by_librosa.RATE),
        "librosa, file": by_librosa.features_of_file,
        "librosa, memory": by_librosa.features,
        "wide, file": ours(many),
        "wide, memory": ours(many, 16000),
    }
    items = {name: names if name.endswith("file") else clips for name in contestants}
    items["wide, memory"] = slower
    # As in a run over many clips, whose batches keep their memory from clip to clip.
    with reused_memory():
        spent = interleaved(contestants, items)
    np.savez(scratch / "clips.npz", *slower)
    peers = run_peer("opensmile", ["opensmile"], "by_opensmile.py", [str(scratch / "clips.npz"), *PEER_SETS])
    return [
        *(milliseconds(value, f"{name}, a clip") for name, value in spent.items()),
        *(milliseconds(peers[name], f"openSMILE {name}, memory, a clip") for name in PEER_SETS),
        _times("162 + 6 columns, from memory: librosa's time over ours", spent, "librosa, memory", "ours, memory", 12),
        _times("162 + 6 columns, from the file: librosa's time over ours", spent, "librosa, file", "ours, file", 8),
        _times("162 + 6 columns, from the file: ours over the floor", spent, "ours, file", "floor, file", 1.5, True),
        *(
            Figure(
                what=f"wide set, from memory: openSMILE {name}'s time over ours",
                value=round(peers[name] / spent["wide, memory"], 2),
                unit="times",
                asked=3,
            )
            for name in PEER_SETS
        ),
        _times("wide set, from the file: ours over the floor", spent, "wide, file", "floor, file", 4, True),
    ]


def _times(what: str, spent: dict[str, float], above: str, below: str, asked: float, at_most: bool = False) -> Figure:
    value = round(spent[above] / spent[below], 2)
    return Figure(what=what, value=value, unit="times", asked=asked, at_most=at_most)
