"""
A network as a block
====================

A deep block is a network that is trained to distinguish the emotions. Its hidden units are features, like MFCC.
"""

# %%
# Recordings of six speakers to train on, and of the others to look at.

# sphinx_gallery_thumbnail_number = 2
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.decomposition import PCA

from fusionser.corpora import generate_demo, list_rows
from fusionser.corpora.data_folder import data_folder, find_corpora
from fusionser.networks import LogMelFrames

work = Path(tempfile.mkdtemp())
corpus = os.environ.get("FUSIONSER_GALLERY_CORPUS", "demo")
folder = work / "recordings" if corpus == "demo" else find_corpora([corpus], data_folder())[corpus]
if corpus == "demo":
    generate_demo(folder)
rows = list_rows(folder, corpus).rows
speakers = sorted(set(rows["speaker"]))
known = ~rows["speaker"].isin(speakers[::4])
train, new = rows[known].reset_index(drop=True), rows[~known].reset_index(drop=True)

# %%
# Training
# --------
# A fifth of the training *speakers* is held out. The weights of the epoch with their best UAR are kept.

block = LogMelFrames(epochs=30, patience=None).fit(train, train["emotion"])
history = pd.DataFrame(block.history_)
figure, (losses, scores) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
losses.plot(history["training_loss"], label="training")
losses.set(xlabel="epoch", ylabel="loss")
scores.plot(history["validation_uar"], color="#e8590c")
_ = scores.set(xlabel="epoch", ylabel="UAR of held-out speakers", ylim=(0, 1))

# %%
# Its hidden units
# ----------------
# The first two principal components of the units, for speakers that the network has not heard. The better it
# distinguishes two emotions, the farther apart they are.

units = block.transform(new)
print(units.shape[1], "units")
places = PCA(2, random_state=0).fit_transform(units)
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for emotion in sorted(set(new["emotion"])):
    chosen = (new["emotion"] == emotion).to_numpy()
    axes.scatter(places[chosen, 0], places[chosen, 1], s=18, label=emotion)
axes.set(xlabel="first component", ylabel="second component")
axes.legend()

# %%
# In a pipeline, the network is trained again in every fold, on its training speakers only. At the command line, it is
# ``--blocks robust,log-mel-frames``: see :doc:`/how-to/train-networks`.
print(f"{(block.predict(new) == new['emotion']).mean():.2f} of the answers for new speakers are right")
