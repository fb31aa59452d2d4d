"""Models: what predicts, the file that it is saved to, and its card.

Each name is imported when it is first used. `__init__.pyi` lists them, for `lazy_loader` and for type checkers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
