"""A model as a module of tensors gives the probabilities and the answers of the model."""

import pytest
import soundfile
import soxr
import torch

from fusionser.classifiers import CLASSIFIERS
from fusionser.export import ModelGraph, whole_obstacle
from fusionser.model import load_model

RATE = 22050
"""Of the preset that the models use."""


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_module_answers_as_its_model(saved, demo_rows, name):
    model = load_model(saved[name])
    assert whole_obstacle(model) == ""
    graph = ModelGraph(model, whole=True).eval()
    assert graph.inputs == ["waveform"]
    for file in demo_rows["file"].tolist()[:60:12]:
        samples, rate = soundfile.read(file, dtype="float32")
        samples = soxr.resample(samples, rate, RATE)
        expected = model.predict([(samples, RATE)]).iloc[0]
        with torch.no_grad():
            probabilities, answer = graph(torch.from_numpy(samples)[None])
        names = [f"probability_{label}" for label in model.card.classes]
        assert probabilities[0].numpy() == pytest.approx(expected[names].to_numpy(dtype=float), abs=1e-4)
        assert model.card.classes[int(answer[0])] == expected["emotion"]
