"""How close the measures of voice quality are to Praat's, on recordings of RAVDESS and EMO-DB."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.measuring import Figure, interleaved

Array64 = npt.NDArray[np.float64]

N_CLIPS = 60
FOLDERS = {"ravdess": "ravdess", "emodb": "emodb/wav"}
"""Folder of each corpus beside that of RAVDESS."""

UNITS = {
    "jitter": "%", "shimmer": "%", "shimmer_db": "dB", "hnr": "dB", "cpps": "dB",
    "f1": "octaves", "f2": "octaves", "f3": "octaves", "b1": "octaves", "b2": "octaves", "b3": "octaves",
    "alpha_ratio": "dB",
}  # fmt: skip


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the agreement with Praat for each corpus and measure, and the time of the block."""
    compared = [_compared(ravdess.parent / folder, corpus) for corpus, folder in FOLDERS.items()]
    return [*itertools.chain.from_iterable(compared), *_time(ravdess)]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How a measure of ours agrees with Praat's over clips: correlation, median difference, Praat's median."""

    correlation: float
    difference: float
    median: float
    clips: int


def agreements(folder: Path, corpus: str, count: int = N_CLIPS) -> dict[str, Agreement]:
    """Compare each measure on about `count` recordings, spread over speakers and emotions."""
    from fusionser.corpora import list_rows

    rows = list_rows(folder, corpus).rows
    pairs = np.array([_measures(row) for row in rows[:: len(rows) // count].to_dict("records")])
    return {name: _agreement(*pairs[:, :, place].T) for place, name in enumerate(UNITS)}


def _agreement(ours: Array64, praat: Array64) -> Agreement:
    both = np.isfinite(ours) & np.isfinite(praat)
    return Agreement(
        correlation=float(np.corrcoef(ours[both], praat[both])[0, 1]),
        difference=float(np.median((ours - praat)[both])),
        median=float(np.median(praat[both])),
        clips=int(both.sum()),
    )


def _compared(folder: Path, corpus: str) -> Iterator[Figure]:
    for name, found in agreements(folder, corpus).items():
        measure = f"{name}, {corpus}"
        note = f"Praat's median {found.median:.3g}; {found.clips} clips"
        yield Figure(what=f"{measure}: correlation with Praat's", value=round(found.correlation, 3), unit="")
        difference = round(found.difference, 3)
        yield Figure(what=f"{measure}: median of ours less Praat's", value=difference, unit=UNITS[name], note=note)


def _measures(row: Mapping[Any, Any]) -> tuple[Array64, Array64]:
    """Return our measures of a clip and Praat's, on the frames that both find voiced, each of shape (n_measures,)."""
    from benchmarks.by_praat import HIGHEST_FORMANT, Voice
    from fusionser.features import VoiceQuality
    from fusionser.features.clip import Clip
    from fusionser.features.voice_quality import voice_frames

    block, clip = VoiceQuality(), Clip(row)
    voice = voice_frames(clip, block.frames(clip), block.clip_settings())
    samples, rate = clip.samples()
    praat = Voice(samples.astype(np.float64), rate)
    known = praat.voiced(voice.times)
    times, periods = voice.times[known], voice.periods
    if times.size == 0:
        return np.full(len(UNITS), np.nan), np.full(len(UNITS), np.nan)
    frequencies, bandwidths = (np.log2(found) for found in praat.formants(times, HIGHEST_FORMANT[row["gender"]]))
    theirs = [
        praat.harmonics_to_noise(times), praat.cepstral_peak_prominence(times), *frequencies, *bandwidths,
        praat.band_ratio(times, (100.0, 1000.0, 3700.0)),
    ]  # fmt: skip
    ours = [100 * periods.jitter, 100 * periods.shimmer, periods.shimmer_decibels]
    ours += [float(np.median(voice.series[name][known])) for name in list(UNITS)[3:]]
    return np.array(ours), np.concatenate([praat.perturbation(), np.nanmedian(theirs, axis=1)])


def _time(ravdess: Path) -> list[Figure]:
    from benchmarks.measuring import files
    from fusionser.features import Prosody, VoiceQuality
    from fusionser.features.clip import Clip

    def compute(*blocks: Any) -> Callable[[str], None]:
        def run(file: str) -> None:
            clip = Clip({"file": file})
            for block in blocks:
                block.compute(clip)

        return run

    contestants = {"prosody": compute(Prosody()), "both": compute(Prosody(), VoiceQuality())}
    spent = interleaved(contestants, dict.fromkeys(contestants, files(ravdess, N_CLIPS)))
    added = round(spent["both"] - spent["prosody"], 2)
    return [Figure(what="voice-quality of a clip, added to prosody", value=added, unit="ms")]
