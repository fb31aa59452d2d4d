"""Protocols that split rows into training and test rows, and inner folds of the training rows.

>>> from fusionser.splits import PROTOCOLS
>>> list(PROTOCOLS)[:3]
['speaker-holdout', 'speaker-kfold', 'leave-one-speaker-out']

Each name is imported when it is first used. `__init__.pyi` lists them, for `lazy_loader` and for type checkers.
"""

import lazy_loader

from fusionser.registry import PROTOCOLS as PROTOCOLS

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["PROTOCOLS"]
