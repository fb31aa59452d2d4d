"""
A web service: start, request, stop
===================================

``fusionser serve`` answers over HTTP. This script starts it on a free port, sends requests as any program can, and
stops it.

It needs the extra ``serve``.
"""

# %%
# Start
# -----
# Port 0 means any free port. The service prints its address; ``/ready`` says when it is ready.

import atexit
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import matplotlib.pyplot as plt

from fusionser.corpora import generate_demo, list_rows
from fusionser.corpora.data_folder import data_folder, find_corpora

work = Path(tempfile.mkdtemp())
corpus = os.environ.get("FUSIONSER_GALLERY_CORPUS", "demo")
folder = work / "recordings" if corpus == "demo" else find_corpora([corpus], data_folder())[corpus]
if corpus == "demo":
    generate_demo(folder)
rows = list_rows(folder, corpus).rows

command = [sys.executable, "-m", "fusionser", "serve", "--port", "0", "--workers", "1"]
service = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
atexit.register(service.kill)  # should the script end early
address = None
while address is None:
    address = re.search(r"http://127.0.0.1:\d+", service.stderr.readline())
address = address[0]


def ask(path, body=None):
    """Return what the service answers."""
    with urllib.request.urlopen(urllib.request.Request(address + path, data=body), timeout=60) as answer:
        return json.load(answer)


for _ in range(300):
    try:
        ask("/ready")
        break
    except urllib.error.URLError:
        time.sleep(0.2)
ask("/model")["card"]["classes"]

# %%
# Request
# -------
# The body of the request is the recording. ``curl --data-binary @clip.wav ADDRESS/predict`` does the same.

asked = [rows[rows["emotion"] == emotion].iloc[0] for emotion in sorted(set(rows["emotion"]))]
answers = [ask("/predict", Path(row["file"]).read_bytes())["answers"][0] for row in asked]
answers[0]["emotion"], round(answers[0]["unlikeness"], 3)

# %%
# The included model has never heard synthetic voices, and says that they are unlike its training recordings. Its
# probabilities:

classes = list(answers[0]["probabilities"])
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
left = [0.0] * len(answers)
for name in classes:
    shares = [answer["probabilities"][name] for answer in answers]
    axes.barh([row["emotion"] for row in asked], shares, left=left, label=name)
    left = [start + share for start, share in zip(left, shares, strict=True)]
axes.set(xlabel="probability", ylabel="true", xlim=(0, 1))
axes.legend(ncols=len(classes), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)

# %%
# Stop
# ----
# Running requests are finished first. The number is the signal that ended the service, 15 (SIGTERM), with a minus sign.

service.terminate()
service.stderr.close()
service.wait(30)
