"""Networks, the deep extractors made of them, and the one place that trains."""

from fusionser.networks.batches import Batches, Distortion
from fusionser.networks.conv1d import Conv1D
from fusionser.networks.conv2d import Conv2D
from fusionser.networks.device import choose_device
from fusionser.networks.extractor import DeepExtractor
from fusionser.networks.extractors import (
    EXTRACTORS,
    LEARNED,
    Conv1DExtractor,
    Conv2DExtractor,
    LogMelFrames,
    MFCCFrames,
)
from fusionser.networks.perceptron import Perceptron
from fusionser.networks.recurrent import FrameRecurrent, VectorRecurrent
from fusionser.networks.training import NetworkTraining, TrainingRows, train_network
from fusionser.networks.validation import hold_out
from fusionser.networks.watching import watch_training

__all__ = [
    "EXTRACTORS",
    "LEARNED",
    "Batches",
    "Conv1D",
    "Conv1DExtractor",
    "Conv2D",
    "Conv2DExtractor",
    "DeepExtractor",
    "Distortion",
    "FrameRecurrent",
    "LogMelFrames",
    "MFCCFrames",
    "NetworkTraining",
    "Perceptron",
    "TrainingRows",
    "VectorRecurrent",
    "choose_device",
    "hold_out",
    "train_network",
    "watch_training",
]
