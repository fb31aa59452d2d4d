"""Speech emotion recognition from handcrafted and deep features, with scores that nobody has to doubt.

>>> import fusionser
>>> model = fusionser.load_model("model.fusionser")  # doctest: +SKIP
>>> model.predict(["clip.wav"])  # doctest: +SKIP

The parts, in the order in which data flow through them:

- `fusionser.corpora`: a folder of recordings to rows,
- `fusionser.audio`, `fusionser.features`: rows to features,
- `fusionser.splits`, `fusionser.evaluation`: protocols, the leakage guard, scores,
- `fusionser.scaling`, `fusionser.classifiers`: features to labels,
- `fusionser.spec`, `fusionser.pipeline`: what is fitted, and how it is built,
- `fusionser.jobs`: extract, evaluate and fit, whole,
- `fusionser.model`: the saved model,
- `fusionser.studies`: many evaluations, kept and compared,
- `fusionser.reporting`: pages and pictures,
- `fusionser.registry`: everything that has a name, open to plugins.
"""

from typing import TYPE_CHECKING

from fusionser.errors import FusionserError
from fusionser.lazy import lazy_names

if TYPE_CHECKING:
    from fusionser.corpora import list_rows
    from fusionser.features import FeatureExtractor, fusionnet, wide
    from fusionser.jobs import evaluate, extract, fit
    from fusionser.model import Model, load_model, save_model
    from fusionser.registry import REGISTRIES
    from fusionser.spec import PipelineSpec
else:
    # A line here, one above and one below is all that a public name takes; nothing is imported before it is used.
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".corpora": ("list_rows",),
            ".features": ("FeatureExtractor", "fusionnet", "wide"),
            ".jobs": ("evaluate", "extract", "fit"),
            ".model": ("Model", "load_model", "save_model"),
            ".registry": ("REGISTRIES",),
            ".spec": ("PipelineSpec",),
        },
    )

__all__ = [
    "REGISTRIES",
    "FeatureExtractor",
    "FusionserError",
    "Model",
    "PipelineSpec",
    "__version__",
    "evaluate",
    "extract",
    "fit",
    "fusionnet",
    "list_rows",
    "load_model",
    "save_model",
    "wide",
]

__version__ = "0.1.0"
