"""Speech emotion recognition from handcrafted and deep features, with trustworthy evaluation.

>>> import fusionser
>>> model = fusionser.load_model("model.fusionser")  # doctest: +SKIP
>>> model.predict(["clip.wav"])  # doctest: +SKIP

The main modules, in the order of the data flow:

- `fusionser.corpora`: folders of recordings to rows,
- `fusionser.audio`, `fusionser.features`: rows to features,
- `fusionser.splits`, `fusionser.evaluation`: protocols, the leakage guard, scores,
- `fusionser.scaling`, `fusionser.classifiers`: features to labels,
- `fusionser.spec`, `fusionser.pipeline`: specifications, and pipelines built from them,
- `fusionser.jobs`: extract, evaluate and fit,
- `fusionser.model`: saved models,
- `fusionser.studies`: many evaluations, stored and compared,
- `fusionser.reporting`: pages and figures,
- `fusionser.registry`: registered names, including those of plugins.
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
    # A public name needs a line here, one above and one below.
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
