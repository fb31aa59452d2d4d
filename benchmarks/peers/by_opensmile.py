"""Median milliseconds of processor time that openSMILE takes a clip: CLIPS.npz SET..."""

import json
import statistics
import sys
import time

import numpy as np
import opensmile

clips = list(np.load(sys.argv[1]).values())
found = {}
for name in sys.argv[2:]:
    smile = opensmile.Smile(getattr(opensmile.FeatureSet, name), opensmile.FeatureLevel.Functionals)
    smile.process_signal(clips[0], 16000)
    spent = []
    for clip in clips:
        began = time.process_time_ns()
        smile.process_signal(clip, 16000)
        spent.append((time.process_time_ns() - began) / 1e6)
    found[name] = statistics.median(spent)
print(json.dumps(found))
