"""One flat pipeline from rows to labels, refitted whole in every fold."""

from collections.abc import Mapping
from typing import Any

from imblearn.pipeline import Pipeline
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from fusionser.classifiers import GRIDS, classifier
from fusionser.errors import unknown_name
from fusionser.evaluation.inner_folds import InnerFolds
from fusionser.features.extractor import FeatureExtractor
from fusionser.fusion import BlockScaler
from fusionser.model import CLASSIFIER, FEATURES, SCALE

__all__ = ["IMBALANCE", "build_pipeline", "search_parameters"]

IMBALANCE: Mapping[str, str | None] = {"none": None, "weights": "balanced"}
"""What is done about scarce classes: nothing, or weights by the inverse of their share."""


def build_pipeline(
    extractor: FeatureExtractor,
    classifier_name: str,
    *,
    scaling: str | Mapping[str, str] = "standard",
    equal_blocks: bool = False,
    by_speaker: bool = False,
    imbalance: str = "none",
    seed: int = 0,
    n_jobs: int | None = None,
) -> Pipeline:
    """Build the pipeline: features, scaling by block, classifier.

    Parameters
    ----------
    extractor : FeatureExtractor
        Cloned, and made to carry the speaker, source and augmentation of each row.
    classifier_name : str
        A key of `CLASSIFIERS`.
    scaling, equal_blocks, by_speaker
        See `BlockScaler`.
    imbalance : str, default="none"
        A key of `IMBALANCE`.
    seed : int, default=0
    n_jobs : int, optional
        Threads of the classifier.

    Returns
    -------
    imblearn.pipeline.Pipeline

    Examples
    --------
    >>> from fusionser.features import fusionnet
    >>> [name for name, _ in build_pipeline(fusionnet(), "svm").steps]
    ['features', 'scale', 'classifier']
    """
    if imbalance not in IMBALANCE:
        raise unknown_name("imbalance strategy", imbalance, IMBALANCE)
    last = classifier(classifier_name, seed=seed, class_weight=IMBALANCE[imbalance], n_jobs=n_jobs)
    scaler = BlockScaler(scaling=scaling, equal_blocks=equal_blocks, by_speaker=by_speaker)
    return Pipeline([(FEATURES, clone(extractor).set_params(keep_rows=True)), (SCALE, scaler), (CLASSIFIER, last)])


def search_parameters(pipeline: Pipeline, classifier_name: str, *, seed: int = 0) -> GridSearchCV:
    """Wrap a pipeline in a search over its classifier's grid, by inner folds of the training speakers."""
    grid: dict[str, Any] = {f"{CLASSIFIER}__{name}": list(values) for name, values in GRIDS[classifier_name].items()}
    return GridSearchCV(pipeline, grid, cv=InnerFolds(seed=seed), scoring="balanced_accuracy", error_score="raise")
