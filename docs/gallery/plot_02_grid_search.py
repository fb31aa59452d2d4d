"""
A grid search on unseen speakers
================================

Features are transformers, so scikit-learn searches their parameters together with those of the classifier. The
folds are by speaker, so the parameters are chosen for new people.
"""

# %%
# Recordings
# ----------

import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fusionser.corpora import generate_demo, list_rows
from fusionser.corpora.data_folder import data_folder, find_corpora
from fusionser.features import MFCC
from fusionser.splits import SpeakerKFold

work = Path(tempfile.mkdtemp())
corpus = os.environ.get("FUSIONSER_GALLERY_CORPUS", "demo")
folder = work / "recordings" if corpus == "demo" else find_corpora([corpus], data_folder())[corpus]
if corpus == "demo":
    generate_demo(folder)
rows = list_rows(folder, corpus).rows

# %%
# The search
# ----------
# A splitter of fusionser reads the speakers from the rows. Features are cached, so each setting of them is computed
# once.

pipeline = Pipeline([("mfcc", MFCC()), ("scale", StandardScaler()), ("svm", SVC())])
grid = {"mfcc__n_mfcc": [4, 13, 20], "svm__C": [0.1, 1, 10]}
search = GridSearchCV(pipeline, grid, cv=SpeakerKFold(folds=3), scoring="balanced_accuracy")
search.fit(rows, rows["emotion"])
search.best_params_

# %%
# How the score depends on both parameters:

table = search.cv_results_["mean_test_score"].reshape(len(grid["mfcc__n_mfcc"]), len(grid["svm__C"]))
figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
picture = axes.imshow(table, cmap="viridis", origin="lower")
axes.set(xticks=range(3), yticks=range(3), xlabel="C of the SVM", ylabel="number of coefficients")
axes.set_xticklabels(grid["svm__C"])
axes.set_yticklabels(grid["mfcc__n_mfcc"])
for row, scores in enumerate(table):
    for column, score in enumerate(scores):
        axes.text(
            column, row, f"{score:.2f}", ha="center", va="center", color="white" if score < table.mean() else "black"
        )
figure.colorbar(picture, label="UAR on unseen speakers")

# %%
# An honest score of the search
# -----------------------------
# The best score above was chosen among nine, so it is too high. Put the whole search inside another split by
# speaker: then the test speakers have no influence on the choice.

nested = cross_val_score(search, rows, rows["emotion"], cv=SpeakerKFold(folds=4), scoring="balanced_accuracy")
print(f"best of the search {search.best_score_:.3f}, nested {nested.mean():.3f}")
