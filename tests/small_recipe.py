"""A recipe that runs in seconds, on synthetic voices."""

SMALL = """
paper = "Nobody"
title = "a small network on synthetic voices"
corpora = ["demo"]
figure = 20.0
measure = "best validation epoch"
seeds = 2
choices = "All of it."
[pipeline]
network = "mfcc-frames"
rows = { augment = ["speed(1.1)"] }
[pipeline.networks.parameters]
epochs = 3
units = 8
[protocol]
name = "random-holdout"
settings = { share = 0.25 }
[speaker_independent]
name = "speaker-holdout"
settings = { speakers = ["f1", "m1"] }
"""
