"""Networks, the deep extractors built on them, and their training; each name is imported when it is first used."""

from typing import TYPE_CHECKING

from fusionser.lazy import lazy_package
from fusionser.registry import NETWORKS as NETWORKS

if TYPE_CHECKING:
    from fusionser.networks.batches import Batches as Batches
    from fusionser.networks.batches import Distortion as Distortion
    from fusionser.networks.cnn_lstm import CNNLSTM1D as CNNLSTM1D
    from fusionser.networks.cnn_lstm import CNNLSTM2D as CNNLSTM2D
    from fusionser.networks.cnn_lstm import CNNBiLSTM1DExtractor as CNNBiLSTM1DExtractor
    from fusionser.networks.cnn_lstm import CNNBiLSTM2DExtractor as CNNBiLSTM2DExtractor
    from fusionser.networks.cnn_lstm import CNNLSTM1DExtractor as CNNLSTM1DExtractor
    from fusionser.networks.cnn_lstm import CNNLSTM2DExtractor as CNNLSTM2DExtractor
    from fusionser.networks.conv1d import Conv1D as Conv1D
    from fusionser.networks.conv1d import Conv1DExtractor as Conv1DExtractor
    from fusionser.networks.conv1d_lstm import Conv1DLSTM as Conv1DLSTM
    from fusionser.networks.conv1d_lstm import SongConv1DLSTMExtractor as SongConv1DLSTMExtractor
    from fusionser.networks.conv1d_lstm import SpeechConv1DLSTMExtractor as SpeechConv1DLSTMExtractor
    from fusionser.networks.conv2d import Conv2D as Conv2D
    from fusionser.networks.conv2d import Conv2DExtractor as Conv2DExtractor
    from fusionser.networks.conv2d import Conv2DMFCCExtractor as Conv2DMFCCExtractor
    from fusionser.networks.crnn import CRNN as CRNN
    from fusionser.networks.crnn import CRNNExtractor as CRNNExtractor
    from fusionser.networks.device import choose_device as choose_device
    from fusionser.networks.device import feature_device as feature_device
    from fusionser.networks.extractor import DeepExtractor as DeepExtractor
    from fusionser.networks.perceptron import Perceptron as Perceptron
    from fusionser.networks.progress import training_progress as training_progress
    from fusionser.networks.recurrent import FrameRecurrent as FrameRecurrent
    from fusionser.networks.recurrent import LogMelFrames as LogMelFrames
    from fusionser.networks.recurrent import MFCCFrames as MFCCFrames
    from fusionser.networks.recurrent import VectorRecurrent as VectorRecurrent
    from fusionser.networks.settings import NetworkTraining as NetworkTraining
    from fusionser.networks.temporal_cnn import TEMPORAL_MODELS as TEMPORAL_MODELS
    from fusionser.networks.temporal_cnn import TemporalCNN as TemporalCNN
    from fusionser.networks.temporal_cnn import TemporalCNN1Extractor as TemporalCNN1Extractor
    from fusionser.networks.temporal_cnn import TemporalCNN2Extractor as TemporalCNN2Extractor
    from fusionser.networks.temporal_cnn import TemporalCNN3Extractor as TemporalCNN3Extractor
    from fusionser.networks.temporal_cnn import TemporalCNN4Extractor as TemporalCNN4Extractor
    from fusionser.networks.temporal_cnn import TemporalCNN5Extractor as TemporalCNN5Extractor
    from fusionser.networks.time_distributed import TimeDistributedBiLSTMExtractor as TimeDistributedBiLSTMExtractor
    from fusionser.networks.time_distributed import TimeDistributedCNNLSTM as TimeDistributedCNNLSTM
    from fusionser.networks.time_distributed import TimeDistributedLSTMExtractor as TimeDistributedLSTMExtractor
    from fusionser.networks.training import TrainingRows as TrainingRows
    from fusionser.networks.training import train_network as train_network
    from fusionser.networks.validation import hold_out as hold_out
    from fusionser.networks.vgg16 import VGG16 as VGG16
    from fusionser.networks.vgg16 import VGG16Extractor as VGG16Extractor
else:
    __getattr__, __dir__, __all__ = lazy_package(__name__, "NETWORKS")
