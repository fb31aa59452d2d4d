"""Augmentation of waveforms, and the sampler that adds augmented rows to the training rows.

Each name is imported when it is first used. `__init__.pyi` lists them, for `lazy_loader` and for type checkers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
