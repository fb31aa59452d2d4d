"""Speech emotion recognition from handcrafted and deep features, with scores that nobody has to doubt.

The parts, in the order in which data flow through them:

- `fusionser.corpora`: a folder of recordings to rows,
- `fusionser.audio`, `fusionser.features`: rows to features,
- `fusionser.evaluation`: protocols, the leakage guard, scores,
- `fusionser.scaling`, `fusionser.classifiers`: features to labels,
- `fusionser.spec`, `fusionser.pipeline`: what is fitted, and how it is built,
- `fusionser.jobs`: extract, evaluate and fit, whole,
- `fusionser.model`: the saved model,
- `fusionser.studies`: many evaluations, kept and compared,
- `fusionser.reporting`: pages and pictures.
"""

from fusionser.errors import FusionserError

__all__ = ["FusionserError", "__version__"]

__version__ = "0.1.0"
