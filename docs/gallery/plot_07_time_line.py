"""
Emotions over time
==================

A long recording is cut into windows. Windows with the same answer are joined into segments.
"""

# %%
# A long recording
# ----------------
# Eight recordings are joined, with half a second of silence between them. So the truth is known.

import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fusionser
from fusionser.corpora import generate_demo, list_rows
from fusionser.corpora.data_folder import data_folder, find_corpora
from fusionser.decoding import decode
from fusionser.rows import write_table

work = Path(tempfile.mkdtemp())
corpus = os.environ.get("FUSIONSER_GALLERY_CORPUS", "demo")
folder = work / "recordings" if corpus == "demo" else find_corpora([corpus], data_folder())[corpus]
if corpus == "demo":
    generate_demo(folder)
rows = list_rows(folder, corpus).rows
speaker = sorted(set(rows["speaker"]))[0]
known, new = rows[rows["speaker"] != speaker], rows[rows["speaker"] == speaker]

# %%
# The model has not heard this speaker. ``fit`` takes a table of rows.

model = fusionser.fit(write_table(known.reset_index(drop=True), work / "known.parquet"), protocol=None)

pieces, truth, time = [], [], 0.0
for row in new.sample(8, random_state=3).itertuples():
    samples, rate = decode(row.file)
    truth.append((time, time + samples.size / rate, row.emotion))
    pieces += [samples, np.zeros(rate // 2, dtype=samples.dtype)]
    time += samples.size / rate + 0.5
recording = np.concatenate(pieces)

# %%
# The time line
# -------------

timeline = fusionser.predict_timeline(recording, model, sampling_rate=rate, windows=1.0, hop=0.25)
timeline.segments[["start", "end", "emotion", "probability"]].round(2)

# %%
# The probabilities, and above them the true emotions:

steps = timeline.probabilities
classes = list(timeline.classes)
figure, (true, predicted) = plt.subplots(2, 1, figsize=(8, 4), sharex=True, height_ratios=[1, 4], layout="constrained")
colours = dict(zip(classes, plt.cm.tab10.colors, strict=False))
for start, end, emotion in truth:
    true.axvspan(start, end, color=colours[emotion])
true.set(yticks=[], ylabel="true")
predicted.stackplot(
    steps["start"],
    [steps[f"probability_{name}"] for name in classes],
    labels=classes,
    colors=[colours[name] for name in classes],
)
predicted.set(xlabel="seconds", ylabel="probability", ylim=(0, 1))
predicted.legend(ncols=len(classes), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)

# %%
# Each emotion in seconds:

timeline.summary[["emotion", "seconds", "segments"]].round(1)
