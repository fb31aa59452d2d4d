"""Networks, the deep extractors made of them, and the one place that trains; each is imported when it is first used."""

from typing import TYPE_CHECKING

from fusionser.lazy import lazy_names
from fusionser.registry import NETWORKS

if TYPE_CHECKING:
    from fusionser.networks.batches import Batches, Distortion
    from fusionser.networks.cnn_lstm import (
        CNNLSTM1D,
        CNNLSTM2D,
        CNNBiLSTM1DExtractor,
        CNNBiLSTM2DExtractor,
        CNNLSTM1DExtractor,
        CNNLSTM2DExtractor,
    )
    from fusionser.networks.conv1d import Conv1D, Conv1DExtractor
    from fusionser.networks.conv1d_lstm import Conv1DLSTM, SongConv1DLSTMExtractor, SpeechConv1DLSTMExtractor
    from fusionser.networks.conv2d import Conv2D, Conv2DExtractor, Conv2DMFCCExtractor
    from fusionser.networks.crnn import CRNN, CRNNExtractor
    from fusionser.networks.device import choose_device, feature_device
    from fusionser.networks.extractor import DeepExtractor
    from fusionser.networks.perceptron import Perceptron
    from fusionser.networks.progress import training_progress
    from fusionser.networks.recurrent import FrameRecurrent, LogMelFrames, MFCCFrames, VectorRecurrent
    from fusionser.networks.settings import NetworkTraining
    from fusionser.networks.temporal_cnn import (
        TEMPORAL_MODELS,
        TemporalCNN,
        TemporalCNN1Extractor,
        TemporalCNN2Extractor,
        TemporalCNN3Extractor,
        TemporalCNN4Extractor,
        TemporalCNN5Extractor,
    )
    from fusionser.networks.time_distributed import (
        TimeDistributedBiLSTMExtractor,
        TimeDistributedCNNLSTM,
        TimeDistributedLSTMExtractor,
    )
    from fusionser.networks.training import TrainingRows, train_network
    from fusionser.networks.validation import hold_out
    from fusionser.networks.vgg16 import VGG16, VGG16Extractor
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".batches": ("Batches", "Distortion"),
            ".cnn_lstm": (
                "CNNLSTM1D",
                "CNNLSTM2D",
                "CNNBiLSTM1DExtractor",
                "CNNBiLSTM2DExtractor",
                "CNNLSTM1DExtractor",
                "CNNLSTM2DExtractor",
            ),
            ".conv1d": ("Conv1D", "Conv1DExtractor"),
            ".conv1d_lstm": ("Conv1DLSTM", "SongConv1DLSTMExtractor", "SpeechConv1DLSTMExtractor"),
            ".conv2d": ("Conv2D", "Conv2DExtractor", "Conv2DMFCCExtractor"),
            ".crnn": ("CRNN", "CRNNExtractor"),
            ".device": ("choose_device", "feature_device"),
            ".extractor": ("DeepExtractor",),
            ".perceptron": ("Perceptron",),
            ".progress": ("training_progress",),
            ".recurrent": ("FrameRecurrent", "LogMelFrames", "MFCCFrames", "VectorRecurrent"),
            ".settings": ("NetworkTraining",),
            ".temporal_cnn": (
                "TEMPORAL_MODELS",
                "TemporalCNN",
                "TemporalCNN1Extractor",
                "TemporalCNN2Extractor",
                "TemporalCNN3Extractor",
                "TemporalCNN4Extractor",
                "TemporalCNN5Extractor",
            ),
            ".time_distributed": (
                "TimeDistributedBiLSTMExtractor",
                "TimeDistributedCNNLSTM",
                "TimeDistributedLSTMExtractor",
            ),
            ".training": ("TrainingRows", "train_network"),
            ".validation": ("hold_out",),
            ".vgg16": ("VGG16", "VGG16Extractor"),
        },
    )

__all__ = [
    "CNNLSTM1D",
    "CNNLSTM2D",
    "CRNN",
    "NETWORKS",
    "TEMPORAL_MODELS",
    "VGG16",
    "Batches",
    "CNNBiLSTM1DExtractor",
    "CNNBiLSTM2DExtractor",
    "CNNLSTM1DExtractor",
    "CNNLSTM2DExtractor",
    "CRNNExtractor",
    "Conv1D",
    "Conv1DExtractor",
    "Conv1DLSTM",
    "Conv2D",
    "Conv2DExtractor",
    "Conv2DMFCCExtractor",
    "DeepExtractor",
    "Distortion",
    "FrameRecurrent",
    "LogMelFrames",
    "MFCCFrames",
    "NetworkTraining",
    "Perceptron",
    "SongConv1DLSTMExtractor",
    "SpeechConv1DLSTMExtractor",
    "TemporalCNN",
    "TemporalCNN1Extractor",
    "TemporalCNN2Extractor",
    "TemporalCNN3Extractor",
    "TemporalCNN4Extractor",
    "TemporalCNN5Extractor",
    "TimeDistributedBiLSTMExtractor",
    "TimeDistributedCNNLSTM",
    "TimeDistributedLSTMExtractor",
    "TrainingRows",
    "VGG16Extractor",
    "VectorRecurrent",
    "choose_device",
    "feature_device",
    "hold_out",
    "train_network",
    "training_progress",
]
