"""Protocols that split rows into training and test rows, and inner folds of the training rows.

>>> from fusionser.splits import PROTOCOLS
>>> list(PROTOCOLS)[:3]
['speaker-holdout', 'speaker-kfold', 'leave-one-speaker-out']
"""

from fusionser.registry import PROTOCOLS
from fusionser.splits.base import Fold, Protocol
from fusionser.splits.cross_corpus import AddedCorpora, CrossCorpus, LeaveOneCorpusOut
from fusionser.splits.given import GivenSplit
from fusionser.splits.inner_folds import InnerFolds, parted_speakers
from fusionser.splits.protocols import (
    LeaveOneSpeakerOut,
    LeaveOneStatementOut,
    RandomHoldout,
    RandomKFold,
    SpeakerHoldout,
    SpeakerKFold,
    protocol,
)
from fusionser.splits.published import PublishedFolds

__all__ = [
    "PROTOCOLS",
    "AddedCorpora",
    "CrossCorpus",
    "Fold",
    "GivenSplit",
    "InnerFolds",
    "LeaveOneCorpusOut",
    "LeaveOneSpeakerOut",
    "LeaveOneStatementOut",
    "Protocol",
    "PublishedFolds",
    "RandomHoldout",
    "RandomKFold",
    "SpeakerHoldout",
    "SpeakerKFold",
    "parted_speakers",
    "protocol",
]
