"""Synthetic voices whose level is known, with it and other numbers as columns, for tests."""

from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

RATE = 16000
SPEAKERS, CLIPS = 6, 20


def write_voices(folder: Path) -> Path:
    """Write clips of six speakers, and a table of their levels in dB, and of the same levels in random order."""
    rng = np.random.default_rng(0)
    rows = []
    for speaker in range(SPEAKERS):
        for clip in range(CLIPS):
            time = np.arange(int(RATE * rng.uniform(0.6, 0.9))) / RATE
            pitch = rng.uniform(100, 250)
            wave = sum(np.sin(2 * np.pi * pitch * number * time) / number for number in range(1, 9))
            wave = wave + rng.normal(0, 0.2, len(time))
            level = rng.uniform(-40, -12)
            wave *= 10 ** (level / 20) / np.sqrt(np.mean(wave**2))
            file = folder / f"s{speaker}_{clip:02d}.wav"
            soundfile.write(file, wave, RATE, subtype="FLOAT")
            rows.append({"file": str(file), "speaker": f"s{speaker}", "gender": "female", "level": level})
    table = pd.DataFrame(rows)
    table["shuffled"] = table["level"].to_numpy()[rng.permutation(len(table))]
    table.to_csv(folder / "voices.csv", index=False)
    return folder / "voices.csv"
