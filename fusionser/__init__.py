"""Speech emotion recognition from handcrafted and deep features, with trustworthy evaluation.

>>> import fusionser
>>> model = fusionser.load_model("model.fusionser")  # doctest: +SKIP
>>> model.predict(["clip.wav"])  # doctest: +SKIP

The main modules, in the order of the data flow:

- `fusionser.corpora`: folders of recordings to rows,
- `fusionser.decoding`, `fusionser.audio`, `fusionser.features`: rows to features,
- `fusionser.splits`, `fusionser.evaluation`: protocols, the leakage guard, scores,
- `fusionser.scaling`, `fusionser.classifiers`: features to labels,
- `fusionser.spec`, `fusionser.pipeline`: specifications, and pipelines built from them,
- `fusionser.jobs`: extract, evaluate and fit,
- `fusionser.tuning`: search for parameters,
- `fusionser.model`: saved models,
- `fusionser.timeline`: emotions over time, in long recordings and streams,
- `fusionser.studies`: many evaluations, stored and compared,
- `fusionser.reporting`: pages and figures,
- `fusionser.plots`: pictures of sounds, corpora and results,
- `fusionser.registry`: registered names, including those of plugins.

Each name is imported when it is first used. `__init__.pyi` lists them, for `lazy_loader` and for type checkers.
"""

import lazy_loader

from fusionser.errors import FusionserError as FusionserError

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
