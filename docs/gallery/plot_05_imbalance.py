"""
Treating imbalance
==================

If one emotion is frequent, a classifier learns to answer it. Here the training rows are made unequal on purpose;
then four strategies are compared on new speakers.
"""

# %%
# Recordings
# ----------

import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fusionser
from fusionser.corpora import generate_demo
from fusionser.corpora.data_folder import data_folder, find_corpora

work = Path(tempfile.mkdtemp())
corpus = os.environ.get("FUSIONSER_GALLERY_CORPUS", "demo")
folder = work / "recordings" if corpus == "demo" else find_corpora([corpus], data_folder())[corpus]
if corpus == "demo":
    generate_demo(folder)
extracted = fusionser.extract(folder, work / "features.parquet", corpus=corpus)

# %%
# Four strategies
# ---------------
# ``impose_imbalance`` leaves out training rows until the largest class has four times as many as the smallest. Test
# rows stay as they are.

results = {}
for strategy in ("none", "weights", "oversample", "smote"):
    spec = fusionser.PipelineSpec(
        classifier={"name": "mlp"},
        rows={"imbalance": strategy, "impose_imbalance": 4},
    )
    results[strategy] = fusionser.evaluate(work / "features.parquet", spec, protocol_settings={"folds": 4})
    print(f"{strategy:12s} UAR {results[strategy].pooled.uar:.3f}, WAR {results[strategy].pooled.war:.3f}")

# %%
# The recall of each emotion
# --------------------------
# Strategies raise the recall of scarce emotions, and may lower that of frequent ones. UAR counts all emotions alike.

classes = results["none"].classes
width = 0.8 / len(results)
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
for place, (strategy, result) in enumerate(results.items()):
    recalls = [result.per_class[name].recall for name in classes]
    axes.bar(np.arange(len(classes)) + place * width, recalls, width, label=strategy)
axes.set(ylabel="recall", ylim=(0, 1), xticks=np.arange(len(classes)) + 0.4 - width / 2)
axes.set_xticklabels(classes)
axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)

# %%
# Is a difference larger than chance? ``fusionser ablate`` tests it over speakers:
# :doc:`/auto_gallery/plot_10_ablation`.
