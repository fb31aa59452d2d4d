"""
A block of your own
===================

A block is a class with the names of its columns and a method that computes them. It then works like any
other block: in pipelines, searches, ablations and saved models.
"""

# %%
# The block
# ---------
# Loud and soft parts of speech have different spectra. This block measures by how much: the difference of the spectral
# centroid between the loud and the soft half of the frames, in octaves.

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from fusionser.corpora import generate_demo, list_rows
from fusionser.corpora.data_folder import data_folder, find_corpora
from fusionser.features import FeatureBlock, FeatureExtractor, ZeroCrossingRate
from fusionser.features.spectrum import FrameSettings, Spectrum


@dataclass(kw_only=True, eq=False, repr=False)
class Brightness(FeatureBlock):
    """How much brighter loud frames are than soft ones, and how bright the loud ones are.

    Parameters
    ----------
    share : float, default=0.5
        Share of the frames that count as loud.
    """

    kind = "brightness"
    share: float = 0.5

    def names(self):
        """Return the names of the columns."""
        return ["rise", "loud"]

    def compute(self, clip):
        """Return the columns of a clip."""
        samples, rate = clip.samples(16000)
        spectrum = Spectrum(samples, FrameSettings(sampling_rate=rate, n_fft=512, hop_length=160))
        level, centroid = np.ravel(spectrum.rms), np.log2(np.maximum(np.ravel(spectrum.centroid), 1.0))
        loud = level >= np.quantile(level, 1 - self.share)
        return np.array([centroid[loud].mean() - centroid[~loud].mean(), centroid[loud].mean()])


# %%
# Its values
# ----------

work = Path(tempfile.mkdtemp())
corpus = os.environ.get("FUSIONSER_GALLERY_CORPUS", "demo")
folder = work / "recordings" if corpus == "demo" else find_corpora([corpus], data_folder())[corpus]
if corpus == "demo":
    generate_demo(folder)
rows = list_rows(folder, corpus).rows

block = Brightness(share=0.3)
columns = block.fit_transform(rows)
print(block.get_feature_names_out(), columns.shape)

# %%
# Do the emotions differ in them? A point is a recording.

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for emotion in sorted(set(rows["emotion"])):
    chosen = (rows["emotion"] == emotion).to_numpy()
    axes.scatter(columns[chosen, 0], columns[chosen, 1], s=16, alpha=0.7, label=emotion)
axes.set(xlabel="loud minus soft frames, octaves", ylabel="loud frames, octaves above 1 Hz")
axes.legend()

# %%
# With other blocks
# -----------------
# An extractor joins the columns of several blocks. Each clip is decoded once.

extractor = FeatureExtractor(blocks=[("brightness", block), ("zcr", ZeroCrossingRate())])
extractor.fit_transform(rows).shape, list(extractor.get_feature_names_out())[:3]
