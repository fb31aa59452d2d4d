"""Clips a second of processor time that Keras trains on the same networks, on one thread."""

import json
import os
import sys
import time
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow")

import keras
import numpy as np
import tensorflow
from keras import layers

CLASSES, CLIPS, ROUNDS = 8, 1152, 3
LARGEST_NORM = 5.0

tensorflow.config.threading.set_intra_op_parallelism_threads(1)
tensorflow.config.threading.set_inter_op_parallelism_threads(1)


def mlp() -> list[Any]:
    return [layers.Dense(12, "relu"), layers.Dense(10, "relu")]


def bilstm() -> list[Any]:
    return [layers.Reshape((39, 1)), layers.Bidirectional(layers.LSTM(64)), layers.Dropout(0.2)]


def conv1d() -> list[Any]:
    convolutions = [
        layer
        for _ in range(2)
        for layer in (layers.Conv1D(256, 5, padding="same", activation="relu"), layers.MaxPooling1D(5, 2, "same"))
    ]
    dense = [
        layers.Dropout(0.1),
        layers.Flatten(),
        layers.Dense(32, "relu"),
        layers.Dropout(0.1),
        layers.Dense(12, "relu"),
    ]
    return [layers.Reshape((162, 1)), *convolutions, *dense, layers.Dropout(0.1)]


CONTESTS = {
    "MLP, 39 columns": (mlp, 39, 64, 60),
    "BiLSTM, 39 columns": (bilstm, 39, 64, 6),
    "Conv1D, 162 columns": (conv1d, 162, 64, 3),
}
rng = np.random.default_rng(0)
found = {}
for name, (build, columns, batch, epochs) in CONTESTS.items():
    inputs = rng.normal(size=(CLIPS, columns)).astype(np.float32)
    targets = rng.integers(CLASSES, size=CLIPS)
    model = keras.Sequential([keras.Input((columns,)), *build(), layers.Dense(CLASSES)])
    optimiser = keras.optimizers.AdamW(1e-3, weight_decay=0.0, global_clipnorm=LARGEST_NORM)
    model.compile(optimiser, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    # The first epoch builds the graph.
    model.fit(inputs, targets, batch_size=batch, epochs=1, verbose=0)
    spent = []
    for _ in range(ROUNDS):
        began = time.process_time()
        model.fit(inputs, targets, batch_size=batch, epochs=epochs, verbose=0)
        spent.append(time.process_time() - began)
    found[name] = CLIPS * epochs / min(spent)
json.dump(found, sys.stdout)
