"""The estimator of a specification: its pipeline, inside a search for parameters if that is asked for."""

from typing import Any

from imblearn.pipeline import Pipeline
from sklearn.base import BaseEstimator
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV

from fusionser.agreement import mean_concordance
from fusionser.classifiers import MemberEstimator
from fusionser.features.extractor import FeatureExtractor
from fusionser.model import CLASSIFIER, FEATURES
from fusionser.names import DIMENSIONS
from fusionser.pipeline.build import UnusableRows, build_pipeline
from fusionser.pipeline.parameter_space import BLOCKS, grid_of, only_in_trials, space_of, space_text
from fusionser.pipeline.resources import LOCAL, Resources
from fusionser.pipeline.trial_search import OPTUNA, TrialSearch
from fusionser.spec import PipelineSpec
from fusionser.splits import InnerFolds

__all__ = ["build_estimator", "search_packages", "untried_values"]


def build_estimator(
    spec: PipelineSpec,
    *,
    extractor: FeatureExtractor | None = None,
    unusable: UnusableRows = (),
    resources: Resources = LOCAL,
) -> BaseEstimator:
    """Build the pipeline. If `tune` is set, wrap it in a search with inner folds: of a grid, or by trials."""
    pipeline = build_pipeline(spec, extractor=extractor, unusable=unusable, resources=resources)
    if not spec.classifier.tune:
        return pipeline
    numbers = spec.task == DIMENSIONS
    search: dict[str, Any] = {
        "cv": InnerFolds(seed=spec.seed, stratified=not numbers),
        "scoring": make_scorer(mean_concordance) if numbers else "balanced_accuracy",
    }
    if spec.classifier.trials is None:
        grid = grid_of(spec)
        places = {f"{_place(pipeline)}__{name}": list(values) for name, values in grid.items()}
        return GridSearchCV(pipeline, places, error_score="raise", **search)
    return TrialSearch(
        pipeline,
        {_parameter(name, pipeline): tried for name, tried in space_of(spec, pipeline[FEATURES]).items()},
        trials=spec.classifier.trials,
        only_in_trials=only_in_trials(spec, pipeline),
        random_state=spec.seed,
        **search,
    )


def search_packages(spec: PipelineSpec) -> tuple[str, ...]:
    """Return the packages, beside those of every result, that the search of a specification depends on."""
    return (OPTUNA,) if spec.classifier.trials is not None else ()


def untried_values(spec: PipelineSpec, extractor: FeatureExtractor) -> dict[str, str]:
    """Return the given parameters of the classifier whose values the search does not try, and what it tries."""
    if not spec.classifier.tune:
        return {}
    tried = (
        {f"{CLASSIFIER}.{name}": values for name, values in grid_of(spec).items()}
        if spec.classifier.trials is None
        else space_of(spec, extractor)
    )
    return {
        name: space_text(values)
        for name, given in spec.classifier.parameters.items()
        if (values := tried.get(f"{CLASSIFIER}.{name}")) is not None and given not in values
    }


def _place(pipeline: Pipeline) -> str:
    """Return the name of the classifier in a pipeline, which may be inside bagging or late fusion."""
    place, last = CLASSIFIER, pipeline[CLASSIFIER]
    while isinstance(last, MemberEstimator):
        place, last = f"{place}__{last.MEMBER}", getattr(last, last.MEMBER)
    return place


def _parameter(name: str, pipeline: Pipeline) -> str:
    """Return a name of a search space, such as ``blocks.conv2d.dropout``, as the pipeline has it."""
    place, _, parameter = name.rpartition(".")
    block = place.removeprefix(f"{BLOCKS}.")
    return f"{_place(pipeline)}__{parameter}" if place == CLASSIFIER else f"{FEATURES}__{block}__{parameter}"
