"""How many planted copies `fusionser audit` finds, and how many performances it takes for copies.

`python -m benchmarks.audit` plants copies of twelve kinds of recordings of RAVDESS, EMO-DB and CREMA-D, and looks for
copies among all recordings of these corpora and the planted ones. The thresholds were chosen on the speakers of
`CHOSEN_ON`; the figures are of all others.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import soundfile
import soxr

from benchmarks.measuring import cores
from fusionser.audit.copies import Copy, find_copies
from fusionser.augmentation import recording_chain as chain
from fusionser.augmentation.recording_chain import Changed
from fusionser.cache import Cache
from fusionser.corpora import list_rows
from fusionser.decoding import decode
from fusionser.files import write_text
from fusionser.registry import TABLE_FORMATS
from fusionser.reporting.tables.table import Column, Row, Table
from fusionser.reporting.web_page import write_pages
from fusionser.results import provenance
from fusionser.samples import Waveform

FOLDERS = {"ravdess": "ravdess", "emodb": "emodb/wav", "crema-d": "crema_d"}
CHOSEN_ON = {
    *(f"ravdess/{one}" for one in ("03", "07", "12", "20")),
    *(f"emodb/{one}" for one in ("03", "08", "09")),
    *(f"crema-d/{one}" for one in ("1001", "1005", "1042", "1060", "1076")),
}
"""Speakers on which the thresholds were chosen."""


def cut(samples: Waveform, rate: int, seed: int) -> Changed:
    """Cut a quarter of a second off both ends, and at most a fifth of the recording."""
    lost = min(round(0.25 * rate), samples.size // 5)
    return Changed(samples[lost : samples.size - lost].copy(), rate)


def padded(samples: Waveform, rate: int, seed: int) -> Changed:
    """Add half a second of faint noise before, and one second after."""
    rng = np.random.default_rng(seed)
    before, after = (1e-4 * rng.normal(size=round(seconds * rate)) for seconds in (0.5, 1.0))
    return Changed(np.concatenate([before, samples, after]).astype(np.float32), rate)


def clipped(samples: Waveform, rate: int, seed: int) -> Changed:
    """Raise the level so far that the peaks exceed full scale by 12 dB, and clip them."""
    return chain.change_gain(samples / np.abs(samples).max(), rate, seed, decibels=12.0, clipped=True)


def faster(samples: Waveform, rate: int, seed: int, *, speeds: tuple[float, ...]) -> Changed:
    """Play at another speed, which changes tempo and pitch."""
    return Changed(soxr.resample(samples, speeds[seed % len(speeds)], 1.0, quality="HQ"), rate)


def one_of(change: Callable[..., Changed], name: str, values: tuple[float, ...], **more: Any) -> Callable[..., Changed]:
    """Return a change whose parameter takes several values in turn."""

    def apply(samples: Waveform, rate: int, seed: int) -> Changed:
        return change(samples, rate, seed, **{name: values[seed % len(values)]}, **more)

    return apply


KINDS: Mapping[str, Callable[[Waveform, int, int], Changed]] = {
    "MP3, 32 or 64 kbit/s": one_of(chain.encode, "kbps", (32.0, 64.0), codec="mp3"),
    "Opus, 16 or 24 kbit/s": one_of(chain.encode, "kbps", (16.0, 24.0), codec="opus"),
    "resampled to 8 kHz": partial(chain.change_rate, sampling_rate=8000),
    "cut at both ends": cut,
    "padded at both ends": padded,
    "louder and clipped by 12 dB": clipped,
    "low-pass at 2.5 or 4 kHz": one_of(chain.filter_lowpass, "cutoff", (2500.0, 4000.0)),
    "telephone": partial(chain.telephone, lowest=300.0, highest=3400.0),
    "white noise, 10 or 20 dB": one_of(chain.add_noise, "ratio", (10.0, 20.0), color="white"),
    "pink noise, 10 dB, or a room": lambda samples, rate, seed: (
        chain.add_noise(samples, rate, seed, color="pink", ratio=10.0)
        if seed % 2
        else chain.reverberate(samples, rate, seed, reverberation_time=0.4, direct_ratio=0.0)
    ),
    "pitch, 1 or 2 semitones": one_of(chain.shift_pitch, "semitones", (-2.0, -1.0, 1.0, 2.0)),
    "tempo 0.9 or 1.1, or speed 0.95 or 1.1": lambda samples, rate, seed: (
        chain.stretch(samples, rate, seed, tempo=(0.9, 1.1)[seed // 2 % 2])
        if seed % 2
        else faster(samples, rate, seed // 2, speeds=(0.95, 1.1))
    ),
}


def plant(row: Mapping[str, Any], kind: str, seed: int, folder: Path) -> dict[str, Any]:
    """Write a copy, and return its row."""
    copy = KINDS[kind](*decode(row["file"]), seed)
    file = folder / f"{seed:05d}.wav"
    soundfile.write(file, np.clip(copy.samples, -1.0, 1.0), copy.sampling_rate, subtype="PCM_16")
    return {**row, "file": str(file), "start": 0.0, "end": len(copy.samples) / copy.sampling_rate, "planted": kind}


def planted(rows: pd.DataFrame, each: int, folder: Path) -> pd.DataFrame:
    """Return rows of copies: `each` of each kind and corpus, of recordings drawn at random."""
    rng = np.random.default_rng(0)
    wanted = []
    for _, corpus in rows.groupby("corpus", sort=False):
        places = rng.permutation(len(corpus))[: each * len(KINDS)]
        wanted += [(corpus.iloc[place], list(KINDS)[turn % len(KINDS)]) for turn, place in enumerate(places)]
    jobs = (
        joblib.delayed(plant)({**row, "original": row["source"]}, kind, seed, folder)
        for seed, (row, kind) in enumerate(wanted)
    )
    return pd.DataFrame(joblib.Parallel(n_jobs=-1)(jobs))


def found_shares(table: pd.DataFrame, copies: list[Copy]) -> pd.DataFrame:
    """Return of how many planted copies the original was found, by corpus and kind."""
    linked = {(table["source"][one.first], one.second) for one in copies}
    linked |= {(table["source"][one.second], one.first) for one in copies}
    made = table[table["planted"] != ""]
    found = [(source, place) in linked for place, source in made["source"].items()]
    chosen = made["speaker"].isin(CHOSEN_ON).map({True: "chosen on", False: "others"})
    return made.assign(found=found, speakers=chosen)[["corpus", "planted", "speakers", "found"]]


def confused(table: pd.DataFrame, copies: list[Copy], audio: list[str]) -> pd.DataFrame:
    """Return the pairs of different performances of one sentence by one speaker, and which are taken for copies."""
    taken = {(one.first, one.second): one for one in copies}
    records = []
    for (speaker, _), part in table[table["planted"] == ""].groupby(["speaker", "statement"]):
        for pair in combinations(sorted(part.index), 2):
            if audio[pair[0]] and audio[pair[1]] and audio[pair[0]] != audio[pair[1]]:
                names = [Path(table["file"][place]).stem for place in pair]
                coherence = taken[pair].match.coherence if pair in taken else None
                speakers = "chosen on" if speaker in CHOSEN_ON else "others"
                records.append((table["corpus"][pair[0]], speakers, *names, coherence))
    return pd.DataFrame(records, columns=["corpus", "speakers", "first", "second", "coherence"])


def measure(data: Path, each: int, scratch: Path) -> dict[str, Any]:
    """Plant copies, look for them, and return the figures."""
    originals = pd.concat([list_rows(data / folder, name).rows for name, folder in FOLDERS.items()])
    made = planted(originals, each, scratch)
    table = pd.concat([originals.assign(planted=""), made], ignore_index=True)
    began, spent = time.perf_counter(), time.process_time()
    heard = find_copies(table, cache=Cache(scratch / "cache"), n_jobs=-1, step=_say)
    seconds = time.perf_counter() - began
    shares, pairs = found_shares(table, heard.copies), confused(table, heard.copies, heard.audio)
    kinds = shares.groupby(["speakers", "corpus", "planted"])["found"].agg(["sum", "count"]).reset_index()
    wrong = pairs.assign(taken=pairs["coherence"].notna()).groupby(["speakers", "corpus"])["taken"]
    return {
        "recordings": len(table),
        "seconds": round(seconds, 1),
        "seconds_for_10000": round(seconds * 10000 / len(table), 1),
        "cores": cores(),
        "processor_seconds_of_this_process": round(time.process_time() - spent, 1),
        "unusable": len(heard.failures),
        "found": kinds.to_dict("records"),
        "performances": wrong.agg(["sum", "count"]).reset_index().to_dict("records"),
        "taken_for_copies": pairs.dropna(subset=["coherence"]).sort_values("coherence").to_dict("records"),
    }


def _say(what: str, done: int, total: int) -> None:
    if done == total:
        print(f"{time.strftime('%H:%M:%S')} {what}: {total}", flush=True)


def found_table(figures: dict[str, Any], speakers: str) -> pd.DataFrame:
    """Return how many planted copies were found, of how many, by kind and corpus."""
    found = pd.DataFrame(figures["found"])
    part = found[found["speakers"] == speakers]
    sums, counts = (
        part.pivot_table(column, "planted", "corpus", aggfunc="sum", fill_value=0, margins=True, margins_name="all")
        for column in ("sum", "count")
    )
    return sums.astype(int).astype(str) + " of " + counts.astype(int).astype(str)


def page(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown page."""
    found, pairs = pd.DataFrame(figures["found"]), pd.DataFrame(figures["performances"])
    others, apart = found[found["speakers"] == "others"], pairs[pairs["speakers"] == "others"]
    made = figures["provenance"]
    lines = [
        "# Planted copies, and what `fusionser audit` finds of them",
        f"{others['sum'].sum()} of {others['count'].sum()} planted copies of speakers on whom no threshold was chosen "
        f"were found ({100 * others['sum'].sum() / others['count'].sum():.2f} %). {apart['sum'].sum()} of "
        f"{apart['count'].sum()} pairs of different performances of one sentence by one speaker were taken for copies "
        f"({100 * apart['sum'].sum() / apart['count'].sum():.3f} %). {figures['recordings']} recordings were compared "
        f"in {figures['seconds']:.0f} s on {figures['cores']} cores, with an empty cache.",
    ]
    for speakers, title in (
        ("others", "Speakers on whom no threshold was chosen"),
        ("chosen on", "Speakers on whom the thresholds were chosen"),
    ):
        lines += [f"## {title}", _markdown(found_table(figures, speakers))]
    lines += [
        "## Different performances taken for copies",
        _markdown(pairs.rename(columns={"sum": "taken for copies", "count": "pairs"}).set_index("corpus")),
    ]
    lines += ["The pairs:", _markdown(pd.DataFrame(figures["taken_for_copies"]).set_index("corpus").round(3))]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    lines += [f"Command: `{made['command']}`. Commit: {made['commit']}. {versions}."]
    return "\n\n".join(lines) + "\n"


def _markdown(table: pd.DataFrame) -> str:
    columns = [Column(name=str(name)) for name in (table.index.name, *table.columns)]
    rows = [Row(list(map(str, row))) for row in table.itertuples(name=None)]
    return str(TABLE_FORMATS.named("markdown").text(Table(name="", report="", caption="", columns=columns, rows=rows)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("FUSIONSER_DATA", "../shared/data"))
    parser.add_argument("--each", type=int, default=40, help="planted copies of each kind and corpus")
    parser.add_argument("--out", type=Path, default=Path("reports/audits/planted-copies"), help="folder of the report")
    parser.add_argument("--page", action="store_true", help="write the page again from the figures in the folder")
    given = parser.parse_args()
    stored = given.out / "figures.json"
    if not given.page:
        with tempfile.TemporaryDirectory() as scratch:
            figures = measure(Path(given.data), given.each, Path(scratch))
        made = {**figures, "provenance": {**provenance(), "command": "python -m benchmarks.audit"}}
        write_text(stored, json.dumps(made, indent=1, allow_nan=False) + "\n")
    text = page(json.loads(stored.read_text(encoding="utf-8")))
    write_pages(given.out, text)
    print(text)


if __name__ == "__main__":
    main()
