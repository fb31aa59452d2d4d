"""
A model for other programs
==========================

An ONNX file runs in C++, Java, JavaScript or on a phone. This script writes one, and runs it with ONNX Runtime
alone.

It needs the extra ``onnx``.
"""

# %%
# A model whose features can be part of the graph
# -----------------------------------------------
# MFCC, the level and the zero-crossing rate can; pitch cannot.

import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import soxr

import fusionser
from fusionser.corpora import generate_demo, list_rows
from fusionser.corpora.data_folder import data_folder, find_corpora
from fusionser.decoding import decode

work = Path(tempfile.mkdtemp())
corpus = os.environ.get("FUSIONSER_GALLERY_CORPUS", "demo")
folder = work / "recordings" if corpus == "demo" else find_corpora([corpus], data_folder())[corpus]
if corpus == "demo":
    generate_demo(folder)
rows = list_rows(folder, corpus).rows
features = {"blocks": ["mfcc", "rms", "zcr"], "clip": {"sampling_rate": 16000, "duration": 2.0}}
spec = fusionser.PipelineSpec(features=features, classifier={"name": "svm"})
model = fusionser.fit(folder, spec, corpus=corpus, protocol=None)

# %%
# The file
# --------
# Before the file is written, its answers are compared with the model's on 64 clips. If an answer differed, nothing
# would be written.

card = fusionser.export_onnx(model, work / "model.onnx")
print(f"{(work / 'model.onnx').stat().st_size / 1e6:.2f} MB")

# %%
# Run it without fusionser
# ------------------------
# Its input is the waveform: the first two seconds, at 16 kHz. Its outputs are the probabilities and the index of the
# answer in the list of classes.

session = onnxruntime.InferenceSession(work / "model.onnx")
print([(one.name, one.shape) for one in session.get_inputs()], [one.name for one in session.get_outputs()])
files = rows["file"].sample(40, random_state=1).tolist()
found = []
for file in files:
    samples, rate = decode(file)
    # Cut, and then resampled, as the model does.
    wanted = 2 * rate
    waveform = soxr.resample(samples[:wanted], rate, 16000).astype(np.float32)[None]
    found.append(session.run(["probabilities"], {session.get_inputs()[0].name: waveform})[0][0])
expected = model.predict_proba(files).to_numpy()

# %%
# Each point is a probability of one clip and one emotion. They lie on the diagonal.

figure, axes = plt.subplots(figsize=(4.5, 4.2), layout="constrained")
axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
axes.scatter(expected.ravel(), np.ravel(found), s=12, color="#4c6ef5")
axes.set(xlabel="fusionser", ylabel="ONNX Runtime", xlim=(0, 1), ylim=(0, 1))
print(f"largest difference: {np.abs(expected - found).max():.0e}")
