"""Handcrafted features of speech as scikit-learn transformers.

Blocks of a `FeatureExtractor` with equal settings share one transform of each clip. In a ``make_union``, blocks share
results only through the cache.

>>> from fusionser.features import MFCC, Chroma
>>> from sklearn.pipeline import make_union
>>> make_union(MFCC(), Chroma(), verbose_feature_names_out=False).get_feature_names_out().size
32
"""

from fusionser.cache import Cache, FeatureCache
from fusionser.features.base import FeatureBlock
from fusionser.features.clip import Clip
from fusionser.features.clip_blocks import Gender, Pitch, SignalStatistics
from fusionser.features.estimated_gender import EstimatedGender
from fusionser.features.extractor import FeatureExtractor
from fusionser.features.frame_blocks import (
    MFCC,
    RMS,
    Chroma,
    MelSpectrogram,
    SpectralContrast,
    SpectralShape,
    ZeroCrossingRate,
)
from fusionser.features.framing import ClipParameters, FrameFeature, FrameParameters
from fusionser.features.functionals import FUNCTIONALS
from fusionser.features.learned import LearnedBlock
from fusionser.features.maps import BlockVector, FrontEnd, LogMelMap, MFCCMap, RawWaveform
from fusionser.features.pitch import PitchTrack, track_pitch
from fusionser.features.presets import fusionnet, preset, robust, ser_fusionnet, wide
from fusionser.features.recording import Recording
from fusionser.features.relative import RelativeFrames, relative_frames
from fusionser.features.relative_blocks import Modulation, Prosody, RelativeCepstra, RelativeFeature
from fusionser.features.relative_contours import RelativeContours
from fusionser.features.relative_map import RelativeMap
from fusionser.features.spectrum import FrameSettings, Spectrum
from fusionser.features.voice_quality import VoiceQuality
from fusionser.registry import BLOCKS, PRESETS

__all__ = [
    "BLOCKS",
    "FUNCTIONALS",
    "MFCC",
    "PRESETS",
    "RMS",
    "BlockVector",
    "Cache",
    "Chroma",
    "Clip",
    "ClipParameters",
    "EstimatedGender",
    "FeatureBlock",
    "FeatureCache",
    "FeatureExtractor",
    "FrameFeature",
    "FrameParameters",
    "FrameSettings",
    "FrontEnd",
    "Gender",
    "LearnedBlock",
    "LogMelMap",
    "MFCCMap",
    "MelSpectrogram",
    "Modulation",
    "Pitch",
    "PitchTrack",
    "Prosody",
    "RawWaveform",
    "Recording",
    "RelativeCepstra",
    "RelativeContours",
    "RelativeFeature",
    "RelativeFrames",
    "RelativeMap",
    "SignalStatistics",
    "SpectralContrast",
    "SpectralShape",
    "Spectrum",
    "VoiceQuality",
    "ZeroCrossingRate",
    "fusionnet",
    "preset",
    "relative_frames",
    "robust",
    "ser_fusionnet",
    "track_pitch",
    "wide",
]
