"""Every deep extractor by its name; the classes stand beside their networks."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from fusionser.features.estimated_gender import EstimatedGender
from fusionser.features.learned import LearnedBlock
from fusionser.networks.cnn_lstm import (
    CNNBiLSTM1DExtractor,
    CNNBiLSTM2DExtractor,
    CNNLSTM1DExtractor,
    CNNLSTM2DExtractor,
)
from fusionser.networks.conv1d import Conv1DExtractor
from fusionser.networks.conv1d_lstm import SongConv1DLSTMExtractor, SpeechConv1DLSTMExtractor
from fusionser.networks.conv2d import Conv2DExtractor, Conv2DMFCCExtractor
from fusionser.networks.crnn import CRNNExtractor
from fusionser.networks.extractor import DeepExtractor
from fusionser.networks.recurrent import LogMelFrames, MFCCFrames
from fusionser.networks.temporal_cnn import (
    TemporalCNN1Extractor,
    TemporalCNN2Extractor,
    TemporalCNN3Extractor,
    TemporalCNN4Extractor,
    TemporalCNN5Extractor,
)
from fusionser.networks.time_distributed import TimeDistributedBiLSTMExtractor, TimeDistributedLSTMExtractor
from fusionser.networks.vgg16 import VGG16Extractor

__all__ = ["EXTRACTORS", "LEARNED"]

EXTRACTORS: Mapping[str, type[DeepExtractor]] = MappingProxyType(
    {
        kind.kind: kind
        for kind in (
            Conv1DExtractor,
            Conv2DExtractor,
            Conv2DMFCCExtractor,
            LogMelFrames,
            MFCCFrames,
            CNNLSTM1DExtractor,
            CNNBiLSTM1DExtractor,
            CNNLSTM2DExtractor,
            CNNBiLSTM2DExtractor,
            TimeDistributedLSTMExtractor,
            TimeDistributedBiLSTMExtractor,
            SpeechConv1DLSTMExtractor,
            SongConv1DLSTMExtractor,
            TemporalCNN1Extractor,
            TemporalCNN2Extractor,
            TemporalCNN3Extractor,
            TemporalCNN4Extractor,
            TemporalCNN5Extractor,
            CRNNExtractor,
            VGG16Extractor,
        )
    }
)
"""Every deep extractor by its name, which is also the prefix of its columns."""

LEARNED: Mapping[str, Callable[[Mapping[str, Any]], LearnedBlock]] = MappingProxyType(
    {
        **{name: kind.from_settings for name, kind in EXTRACTORS.items()},
        EstimatedGender.kind: EstimatedGender.from_settings,
    }
)
"""Builds each block that learns from its settings."""
