"""The regressors, by name: they predict numbers such as arousal and valence.

They take a table of features (with or without the carried columns of its rows) or an array, and one number or several
per row. Each has the name of the classifier of the same kind.

Each name is imported when it is first used. `__init__.pyi` lists them, for `lazy_loader` and for type checkers.
"""

import lazy_loader

from fusionser.registry import REGRESSORS as REGRESSORS

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["REGRESSORS"]
