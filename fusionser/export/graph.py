"""A whole model as one module, from a waveform or from what is computed from it to probabilities."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from fusionser.errors import SettingsError
from fusionser.export.classifiers import Scaled, classifier_module
from fusionser.export.fisher_vectors import FisherColumns
from fusionser.export.resampling import speed_ratio
from fusionser.export.trees import Trees
from fusionser.export.waveform import WaveformTensors, obstacle
from fusionser.features import EstimatedGender, FeatureExtractor, FisherVectors, Gender
from fusionser.features.clip import Computation
from fusionser.model import CLASSIFIER, FEATURES, SCALE, Model
from fusionser.networks.extractor import LEAST, DeepExtractor
from fusionser.networks.layers import Network
from fusionser.temperature import LEAST as LEAST_PROBABILITY

__all__ = ["GENDER", "WAVEFORM", "ModelGraph", "computations_of", "whole_obstacle"]

WAVEFORM = "waveform"
"""Name of the input for samples."""

GENDER = Gender.kind
"""Name of the input for the gender that a model is given."""


def computations_of(extractor: FeatureExtractor) -> dict[str, Computation]:
    """Return what a model computes from a clip before anything that was learned, by the name of the block."""
    learned = getattr(extractor, "learned_", {})
    return {name: learned[name].resolved_front_end() if name in learned else block for name, block in extractor.blocks}


def whole_obstacle(model: Model) -> str:
    """Return why a model cannot be exported from the waveform on; empty if it can."""
    extractor: FeatureExtractor = model.pipeline[FEATURES]
    computations = [item for item in computations_of(extractor).values() if item.uses_audio]
    if reason := next(filter(None, map(obstacle, computations)), ""):
        return reason
    rates = sorted({item.sampling_rate for item in computations})
    if len(rates) > 1:
        return f"its blocks use several sampling rates, {' and '.join(map(str, rates))} Hz"
    for name, block in extractor.blocks:
        if odd := [speed for speed in getattr(block, "speeds", ()) if speed_ratio(speed) is None]:
            return f"'{name}' hears each clip at the speed {odd[0]:g}, which is no ratio of small whole numbers"
    return ""


class LearnedColumns(nn.Module):
    """The columns of a trained network, of Fisher vectors, or of the regression that estimates the gender."""

    network: Network | None
    columns: FisherColumns | None
    weights: Tensor
    mean: Tensor

    def __init__(self, block: Any) -> None:
        super().__init__()
        if isinstance(block, DeepExtractor):
            self.network, self.units = deepcopy(block.network_).float().eval(), block.output == "units"
            self.columns = None
            return
        self.columns = FisherColumns(block) if isinstance(block, FisherVectors) else None
        if self.columns is not None:
            self.network = None
            return
        if not isinstance(block, EstimatedGender):
            raise SettingsError(f"the block '{block.kind}' cannot be exported; expected one of fusionser's own")
        self.network = None
        numbers = torch.tensor([*block.weights_ / block.scale_], dtype=torch.float64)
        self.register_buffer("weights", numbers[:, None])
        self.register_buffer("mean", torch.from_numpy(block.mean_.copy()))
        self.intercept = float(block.intercept_)

    def forward(self, variants: Sequence[Tensor]) -> Tensor:
        """Return the columns for one input, or for several variants of each clip, whose results are averaged."""
        outputs = [self._output(inputs) for inputs in variants]
        mean = torch.stack(outputs).mean(dim=0) if len(outputs) > 1 else outputs[0]
        if self.network is None or self.units:
            return mean
        return torch.softmax(mean.double(), dim=1).clamp(min=LEAST).log().float()

    def _output(self, inputs: Tensor) -> Tensor:
        if self.columns is not None:
            return self.columns(inputs)
        if self.network is None:
            logit = (inputs.double() - self.mean) @ self.weights + self.intercept
            return torch.sigmoid(logit.clamp(-60, 60)).float()
        given = inputs if self.network.preparation is None else self.network.preparation(inputs)
        if self.units:
            return self.network.embed(given)
        return self.network(given) / self.network.temperature


class ModelGraph(nn.Module):
    """A fitted model as a module.

    Parameters
    ----------
    model : Model
    whole : bool
        Whether its input is the waveform. If not, there is one input for each computation, and for each speed at which
        a network hears a clip.

    Raises
    ------
    SettingsError
        If a part of the model cannot be exported.
    """

    def __init__(self, model: Model, whole: bool) -> None:
        super().__init__()
        if whole and (reason := whole_obstacle(model)):
            raise SettingsError(f"the model cannot begin with the waveform: {reason}; use whole=False")
        extractor: FeatureExtractor = model.pipeline[FEATURES]
        learned = getattr(extractor, "learned_", {})
        self.whole, self.computations = whole, computations_of(extractor)
        self.speeds = {name: tuple(getattr(learned.get(name), "speeds", ())) for name in self.computations}
        self.learned = nn.ModuleDict({f"block_{name}": LearnedColumns(block) for name, block in learned.items()})
        self.scaled = Scaled(model.pipeline[SCALE])
        self.classifier = classifier_module(model.pipeline[CLASSIFIER])
        self.temperature = model.card.temperature
        for part in self.modules() if whole else ():
            if isinstance(part, Trees):
                part.lower_thresholds()
        # The classifier may order the classes in another way than the card.
        order = list(map(str, model.pipeline[CLASSIFIER].classes_))
        if order != list(model.card.classes):
            raise SettingsError("the classes of the model's card are not those of its classifier; fit it again")

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs, in order."""
        if self.whole:
            given = [GENDER] if GENDER in self.computations else []
            return [WAVEFORM, *given]
        return [input_name(name, speed) for name in self.computations for speed in self._heard_speeds(name)]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities (n_clips, n_classes), float32, and the place of the answer among the classes."""
        given = dict(zip(self.inputs, inputs, strict=True))
        columns = self._computed(given) if self.whole else given
        parts = [self._block(name, columns) for name in self.computations]
        shares, scores = self.classifier(self.scaled(torch.cat(parts, dim=1)))
        if self.temperature != 1.0:
            shares = torch.softmax(shares.clamp(min=LEAST_PROBABILITY).log() / self.temperature, dim=1)
        return shares.float(), scores.argmax(dim=1)

    def _computed(self, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        clips = WaveformTensors(given[WAVEFORM])
        return {
            input_name(name, speed): clips.at_speed(speed, computation.sampling_rate).compute(computation)
            if computation.uses_audio
            else given[name]
            for name, computation in self.computations.items()
            for speed in self._heard_speeds(name)
        }

    def _heard_speeds(self, name: str) -> tuple[float, ...]:
        return (1.0, *self.speeds[name])

    def _block(self, name: str, columns: Mapping[str, Tensor]) -> Tensor:
        key = f"block_{name}"
        if key not in self.learned:
            return columns[name]
        return self.learned[key]([columns[input_name(name, speed)] for speed in self._heard_speeds(name)])


def input_name(name: str, speed: float) -> str:
    """Return the name of an input.

    Examples
    --------
    >>> input_name("conv2d", 1.0), input_name("conv2d", 0.9)
    ('conv2d', 'conv2d at speed 0.9')
    """
    return name if speed == 1.0 else f"{name} at speed {speed:g}"
