import fusionser.cache
import fusionser.registry

from .base import FeatureBlock as FeatureBlock
from .clip import Clip as Clip
from .clip_blocks import Gender as Gender
from .clip_blocks import Pitch as Pitch
from .clip_blocks import SignalStatistics as SignalStatistics
from .estimated_gender import EstimatedGender as EstimatedGender
from .external.chosen_layer import ChosenLayer as ChosenLayer
from .external.columns import GivenColumns as GivenColumns
from .external.columns import matching_columns as matching_columns
from .external.emotion2vec import Emotion2vec as Emotion2vec
from .external.encoder_frames import EncoderFrames as EncoderFrames
from .external.encoder_waveform import EncoderWaveform as EncoderWaveform
from .external.ge2e import GE2E as GE2E
from .external.model_folder import downloads_allowed as downloads_allowed
from .external.opensmile import OpenSMILE as OpenSMILE
from .external.transformers import EncoderLayers as EncoderLayers
from .external.transformers import Transformers as Transformers
from .extractor import FeatureExtractor as FeatureExtractor
from .fisher_vectors import FisherVectors as FisherVectors
from .frame_blocks import MFCC as MFCC
from .frame_blocks import RMS as RMS
from .frame_blocks import Chroma as Chroma
from .frame_blocks import MelSpectrogram as MelSpectrogram
from .frame_blocks import SpectralContrast as SpectralContrast
from .frame_blocks import SpectralShape as SpectralShape
from .frame_blocks import ZeroCrossingRate as ZeroCrossingRate
from .framing import ClipParameters as ClipParameters
from .framing import FrameFeature as FrameFeature
from .framing import FrameParameters as FrameParameters
from .functionals import FUNCTIONALS as FUNCTIONALS
from .learned import LearnedBlock as LearnedBlock
from .maps import BlockVector as BlockVector
from .maps import FrontEnd as FrontEnd
from .maps import LogMelMap as LogMelMap
from .maps import MFCCMap as MFCCMap
from .maps import RawWaveform as RawWaveform
from .pitch import PitchTrack as PitchTrack
from .pitch import track_pitch as track_pitch
from .presets import best as best
from .presets import fusionnet as fusionnet
from .presets import preset as preset
from .presets import robust as robust
from .presets import ser_fusionnet as ser_fusionnet
from .presets import wide as wide
from .recording import Recording as Recording
from .relative import RelativeFrames as RelativeFrames
from .relative import relative_frames as relative_frames
from .relative_blocks import Modulation as Modulation
from .relative_blocks import Prosody as Prosody
from .relative_blocks import RelativeCepstra as RelativeCepstra
from .relative_blocks import RelativeFeature as RelativeFeature
from .relative_contours import RelativeContours as RelativeContours
from .relative_map import RelativeMap as RelativeMap
from .spectrum import FrameSettings as FrameSettings
from .spectrum import Spectrum as Spectrum
from .voice_quality import VoiceQuality as VoiceQuality

BLOCKS = fusionser.registry.BLOCKS
PRESETS = fusionser.registry.PRESETS
Cache = fusionser.cache.Cache
FeatureCache = fusionser.cache.FeatureCache
