"""
An ablation with tests over speakers
====================================

Which part of a method helps, and is the difference larger than chance? An ablation evaluates every combination
under the same folds. It tests contrasts that were chosen before the run.
"""

# %%
# The design
# ----------
# Three balancing strategies crossed with augmented copies or none. The contrasts follow from the design.

import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from fusionser.corpora import generate_demo
from fusionser.corpora.data_folder import data_folder, find_corpora
from fusionser.spec import ProtocolSpec
from fusionser.studies.ablation import run_ablation
from fusionser.studies.factorial import Factorial

work = Path(tempfile.mkdtemp())
corpus = os.environ.get("FUSIONSER_GALLERY_CORPUS", "demo")
folder = work / "recordings" if corpus == "demo" else find_corpora([corpus], data_folder())[corpus]
if corpus == "demo":
    generate_demo(folder)
design = Factorial(
    corpus=corpus,
    imbalance=["none", "weights", "smote"],
    augmentation=["none", "noise"],
    classifiers=["mlp"],
    preset="robust",
    imposed=4,
    protocol=ProtocolSpec(name="speaker-kfold", settings={"folds": 4}),
)

# %%
# The run
# -------
# Each combination is stored as a file, so a run that is stopped resumes.

ablation = run_ablation(design, {corpus: folder}, work / "ablation")
for result in ablation.run.results:
    rows = result.spec.rows
    print(f"{rows.imbalance:8s} {', '.join(rows.augment) or 'none':6s} UAR {result.pooled.uar:.3f}")

# %%
# The effects
# -----------
# The change of the UAR over speakers with its interval, and the p value, corrected for the number of contrasts.

effects = ablation.effects
figure, axes = plt.subplots(figsize=(10, 0.5 * len(effects) + 1.2), layout="constrained")
for place, effect in enumerate(reversed(effects)):
    low, high = effect.uar.interval
    axes.plot([100 * low, 100 * high], [place, place], color="#4c6ef5", linewidth=2)
    axes.plot(100 * effect.uar.mean, place, "o", color="#4c6ef5")
    axes.text(100 * high, place + 0.15, f"  p = {effect.corrected:.2f}", fontsize=9)
axes.axvline(0, color="black", linewidth=0.8)
axes.set(xlabel="change of UAR, points", yticks=np.arange(len(effects)))
axes.set_yticklabels([effect.contrast.text for effect in reversed(effects)])
axes.margins(x=0.2, y=0.15)

# %%
# ``fusionser ablate`` does the same at the command line, and writes pages: :doc:`/how-to/compare-methods`.
