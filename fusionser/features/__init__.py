"""Handcrafted features of speech as scikit-learn transformers.

Blocks of a `FeatureExtractor` with equal settings share one transform of each clip. In a ``make_union``, blocks share
results only through the cache.

>>> from fusionser.features import MFCC, Chroma
>>> from sklearn.pipeline import make_union
>>> make_union(MFCC(), Chroma(), verbose_feature_names_out=False).get_feature_names_out().size
32

Each name is imported when it is first used. `__init__.pyi` lists them, for `lazy_loader` and for type checkers.
"""

import lazy_loader

from fusionser.cache import Cache as Cache
from fusionser.cache import FeatureCache as FeatureCache
from fusionser.registry import BLOCKS as BLOCKS
from fusionser.registry import PRESETS as PRESETS

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["BLOCKS", "PRESETS", "Cache", "FeatureCache"]
