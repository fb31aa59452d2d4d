"""Pictures of sounds, corpora and results, as figures of matplotlib that need neither a display nor pyplot.

>>> import fusionser
>>> fusionser.plots.sound_figure("clip.wav").savefig("clip.png")  # doctest: +SKIP

- `fusionser.plots.sound`: a recording over time,
- `fusionser.plots.occlusion`: which part of it influenced the answer of a model most,
- `fusionser.plots.corpus`: the recordings of a corpus,
- `fusionser.plots.result`: the result of an evaluation, whose single figures `fusionser.reporting` draws.

Each name is imported when it is first used. `__init__.pyi` lists them, for `lazy_loader` and for type checkers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
