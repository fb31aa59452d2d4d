import fusionser.registry as registry

from .base import Fold as Fold
from .base import Protocol as Protocol
from .cross_corpus import AddedCorpora as AddedCorpora
from .cross_corpus import CrossCorpus as CrossCorpus
from .cross_corpus import LeaveOneCorpusOut as LeaveOneCorpusOut
from .given import GivenSplit as GivenSplit
from .inner_folds import InnerFolds as InnerFolds
from .inner_folds import parted_speakers as parted_speakers
from .protocols import LeaveOneSpeakerOut as LeaveOneSpeakerOut
from .protocols import LeaveOneStatementOut as LeaveOneStatementOut
from .protocols import RandomHoldout as RandomHoldout
from .protocols import RandomKFold as RandomKFold
from .protocols import SpeakerHoldout as SpeakerHoldout
from .protocols import SpeakerKFold as SpeakerKFold
from .protocols import protocol as protocol
from .published import PublishedFolds as PublishedFolds

PROTOCOLS: registry.Registry
