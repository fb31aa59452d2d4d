"""
From a folder to a model
========================

A folder of recordings becomes a model: its rows, its features, a score on speakers that it has not heard, and a
prediction.
"""

# %%
# The recordings
# --------------
# This script uses a generated corpus, or the one that the environment variables name. ``list_rows`` reads the speaker
# and the emotion from the names of the files.

import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fusionser
from fusionser.corpora import generate_demo, list_rows
from fusionser.corpora.data_folder import data_folder, find_corpora

work = Path(tempfile.mkdtemp())
corpus = os.environ.get("FUSIONSER_GALLERY_CORPUS", "demo")
folder = work / "recordings" if corpus == "demo" else find_corpora([corpus], data_folder())[corpus]
if corpus == "demo":
    generate_demo(folder)
rows = list_rows(folder, corpus).rows
rows.groupby(["gender", "emotion"]).size().unstack()

# %%
# A score
# -------
# Each speaker is tested once, by a pipeline that was trained on the others. Everything that learns is fitted inside
# the training fold.

spec = fusionser.PipelineSpec(features={"preset": "robust"}, classifier={"name": "svm"})
result = fusionser.evaluate(folder, spec, corpus=corpus, protocol="speaker-kfold", protocol_settings={"folds": 4})
low, high = result.intervals["uar"]
print(f"UAR {result.pooled.uar:.3f}, 95 % interval over speakers {low:.3f} to {high:.3f}")

# %%
# Which emotions are confused? Rows are the true emotions, columns the predicted ones. Each row sums to 1.

confusion = np.array(result.confusion)
shares = confusion / confusion.sum(axis=1, keepdims=True)
figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
picture = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
axes.set(xticks=range(len(result.classes)), yticks=range(len(result.classes)), xlabel="predicted", ylabel="true")
axes.set_xticklabels(result.classes, rotation=30)
axes.set_yticklabels(result.classes)
for (row, column), share in np.ndenumerate(shares):
    axes.text(column, row, f"{share:.2f}", ha="center", va="center", color="white" if share > 0.5 else "black")
figure.colorbar(picture, label="share")

# %%
# The speakers differ. So the interval is over speakers.

names = sorted(result.speakers)
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.bar([name.rpartition("/")[2] for name in names], [result.speakers[name].uar for name in names], color="#4c6ef5")
axes.axhline(result.pooled.uar, color="black", linestyle="--", label="all together")
axes.set(xlabel="speaker", ylabel="UAR", ylim=(0, 1))
axes.legend(loc="lower right")

# %%
# The model
# ---------
# ``fit`` trains on all recordings. The file holds no pickles: opening it never runs code.

model = fusionser.fit(folder, spec, corpus=corpus)
path = fusionser.save_model(model, work / "model.fusionser")
answers = fusionser.load_model(path).predict(rows["file"].iloc[:3].tolist())
answers[["emotion", "probability", "unlikeness"]].round(2)
