"""
Auditing a split
================

Somebody gives you a list with the columns ``file`` and ``split``. Does it leak? How much does the leak
inflate the score?
"""

# %%
# A split that leaks
# ------------------
# This is a random split, as in many lists: every speaker is on both sides. In addition, one test recording is a
# louder copy of a training recording, under another name.

import os
import tempfile
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soundfile

from fusionser.audit.leaks import audit_split
from fusionser.audit.split_table import table_split
from fusionser.audit.worth import scored_split
from fusionser.corpora import generate_demo, list_rows
from fusionser.corpora.data_folder import data_folder, find_corpora
from fusionser.spec import PipelineSpec

work = Path(tempfile.mkdtemp())
corpus = os.environ.get("FUSIONSER_GALLERY_CORPUS", "demo")
folder = work / "recordings" if corpus == "demo" else find_corpora([corpus], data_folder())[corpus]
if corpus == "demo":
    generate_demo(folder)
rows = list_rows(folder, corpus).rows
table = rows[["file", "speaker", "emotion", "statement"]].sample(120, random_state=0, ignore_index=True)
table["split"] = np.where(np.arange(len(table)) % 4 == 0, "test", "train")

samples, rate = soundfile.read(table.loc[1, "file"])
soundfile.write(work / "copy.wav", np.clip(1.6 * samples, -1, 1), rate)
table.loc[len(table)] = [str(work / "copy.wav"), *table.loc[1, ["speaker", "emotion", "statement"]], "test"]

# %%
# The audit
# ---------
# It compares the recordings themselves, not their names. Synthetic voices that differ by their pitch only are taken
# for copies of each other; recordings of people are not.

split = table_split(table, name="the list")
result = audit_split(split, worth=partial(scored_split, spec=PipelineSpec())).result
between = result.between[0]
print("leaks:", ", ".join(result.leaks))
print(len(between.speakers), "speakers on both sides;", len(result.copies), "pairs of copies across them")

# %%
# Effect on the score
# -------------------
# The same features and classifier are scored on the given split and by speaker. Synthetic speakers are alike, so the
# leak changes little here. People are not alike: see the audit of :doc:`EmoBox's list of EMO-DB
# </repository/reports/audits/emodb/report>`.

worth = result.worth
figure, axes = plt.subplots(figsize=(4.5, 3.2), layout="constrained")
bars = axes.bar(
    ["by the split", "by speaker"], [worth.by_split.uar, worth.by_speaker.uar], color=["#e8590c", "#4c6ef5"]
)
axes.bar_label(bars, fmt="%.2f")
axes.axhline(worth.chance, color="black", linestyle=":", label="chance")
axes.set(ylabel="UAR", ylim=(0, 1.1))
axes.legend(loc="lower right")

# %%
# At the command line, ``fusionser audit list.csv`` prints all of this, and ends with the exit status 1: see
# :doc:`/how-to/audit-a-split`.
