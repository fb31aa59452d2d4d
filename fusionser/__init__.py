"""Speech emotion recognition from handcrafted and deep features, with scores that nobody has to doubt.

The parts, in the order in which data flow through them:

- `fusionser.corpora`: a folder of recordings to rows,
- `fusionser.audio`, `fusionser.features`: rows to features,
- `fusionser.evaluation`: protocols, the leakage guard, scores,
- `fusionser.scaling`, `fusionser.classifiers`: features to labels,
- `fusionser.experiments`: the whole job, and studies of many,
- `fusionser.model`: the saved model,
- `fusionser.reporting`: pages and pictures.
"""

from fusionser.errors import FusionserError

__all__ = ["FusionserError", "__version__"]

__version__ = "0.1.0"
