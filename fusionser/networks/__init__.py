"""Networks, the deep extractors built on them, and their training.

Each name is imported when it is first used. `__init__.pyi` lists them, for `lazy_loader` and for type checkers.
"""

import lazy_loader

from fusionser.registry import NETWORKS as NETWORKS

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["NETWORKS"]
