"""The classifiers, by name.

They take a table of features (with or without the carried columns of its rows) or an array, and labels of any type.
The probabilities of `predict_proba` are in the order of `classes_` and sum to one.

Each name is imported when it is first used. `__init__.pyi` lists them, for `lazy_loader` and for type checkers.
"""

import lazy_loader

from fusionser.registry import CLASSIFIERS as CLASSIFIERS

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["CLASSIFIERS"]
