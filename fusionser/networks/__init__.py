"""Networks, the deep extractors made of them, and the one place that trains."""

from fusionser.networks.batches import Batches, Distortion
from fusionser.networks.cnn_lstm import CNNLSTM1D, CNNLSTM2D
from fusionser.networks.conv1d import Conv1D
from fusionser.networks.conv1d_lstm import Conv1DLSTM
from fusionser.networks.conv2d import Conv2D
from fusionser.networks.crnn import CRNN
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
from fusionser.networks.temporal_cnn import TEMPORAL_MODELS, TemporalCNN
from fusionser.networks.time_distributed import TimeDistributedCNNLSTM
from fusionser.networks.training import NetworkTraining, TrainingRows, train_network
from fusionser.networks.validation import hold_out
from fusionser.networks.watching import watch_training

__all__ = [
    "CNNLSTM1D",
    "CNNLSTM2D",
    "CRNN",
    "EXTRACTORS",
    "LEARNED",
    "TEMPORAL_MODELS",
    "Batches",
    "Conv1D",
    "Conv1DExtractor",
    "Conv1DLSTM",
    "Conv2D",
    "Conv2DExtractor",
    "DeepExtractor",
    "Distortion",
    "FrameRecurrent",
    "LogMelFrames",
    "MFCCFrames",
    "NetworkTraining",
    "Perceptron",
    "TemporalCNN",
    "TimeDistributedCNNLSTM",
    "TrainingRows",
    "VectorRecurrent",
    "choose_device",
    "hold_out",
    "train_network",
    "watch_training",
]
