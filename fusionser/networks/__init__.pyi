import fusionser.registry as registry

from .batches import Batches as Batches
from .batches import Distortion as Distortion
from .cnn_lstm import CNNLSTM1D as CNNLSTM1D
from .cnn_lstm import CNNLSTM2D as CNNLSTM2D
from .cnn_lstm import CNNBiLSTM1DExtractor as CNNBiLSTM1DExtractor
from .cnn_lstm import CNNBiLSTM2DExtractor as CNNBiLSTM2DExtractor
from .cnn_lstm import CNNLSTM1DExtractor as CNNLSTM1DExtractor
from .cnn_lstm import CNNLSTM2DExtractor as CNNLSTM2DExtractor
from .conv1d import Conv1D as Conv1D
from .conv1d import Conv1DExtractor as Conv1DExtractor
from .conv1d_lstm import Conv1DLSTM as Conv1DLSTM
from .conv1d_lstm import SongConv1DLSTMExtractor as SongConv1DLSTMExtractor
from .conv1d_lstm import SpeechConv1DLSTMExtractor as SpeechConv1DLSTMExtractor
from .conv2d import Conv2D as Conv2D
from .conv2d import Conv2DExtractor as Conv2DExtractor
from .conv2d import Conv2DMFCCExtractor as Conv2DMFCCExtractor
from .conv2d import Conv2DRelativeExtractor as Conv2DRelativeExtractor
from .crnn import CRNN as CRNN
from .crnn import CRNNExtractor as CRNNExtractor
from .device import choose_device as choose_device
from .device import feature_device as feature_device
from .extractor import DeepExtractor as DeepExtractor
from .perceptron import Perceptron as Perceptron
from .progress import training_progress as training_progress
from .recurrent import FrameRecurrent as FrameRecurrent
from .recurrent import LogMelFrames as LogMelFrames
from .recurrent import MFCCFrames as MFCCFrames
from .recurrent import VectorRecurrent as VectorRecurrent
from .settings import NetworkTraining as NetworkTraining
from .temporal_cnn import TEMPORAL_MODELS as TEMPORAL_MODELS
from .temporal_cnn import TemporalCNN as TemporalCNN
from .temporal_cnn import TemporalCNN1Extractor as TemporalCNN1Extractor
from .temporal_cnn import TemporalCNN2Extractor as TemporalCNN2Extractor
from .temporal_cnn import TemporalCNN3Extractor as TemporalCNN3Extractor
from .temporal_cnn import TemporalCNN4Extractor as TemporalCNN4Extractor
from .temporal_cnn import TemporalCNN5Extractor as TemporalCNN5Extractor
from .time_distributed import TimeDistributedBiLSTMExtractor as TimeDistributedBiLSTMExtractor
from .time_distributed import TimeDistributedCNNLSTM as TimeDistributedCNNLSTM
from .time_distributed import TimeDistributedLSTMExtractor as TimeDistributedLSTMExtractor
from .training import TrainingRows as TrainingRows
from .training import train_network as train_network
from .validation import hold_out as hold_out
from .vgg16 import VGG16 as VGG16
from .vgg16 import VGG16Extractor as VGG16Extractor

NETWORKS: registry.Registry
