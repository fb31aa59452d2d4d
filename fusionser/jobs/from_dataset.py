"""Evaluate and fit from features that are read in batches, so that memory does not grow with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fusionser.features.parts import FeatureFiles, FeatureParts
from fusionser.jobs.evaluation import evaluate_prepared
from fusionser.jobs.fitting import fit_prepared
from fusionser.model import Model
from fusionser.pipeline.protocol import DEFAULT, protocol_or_default
from fusionser.pipeline.resources import LOCAL, Resources
from fusionser.pipeline.streamed import prepare_streamed
from fusionser.results import Result
from fusionser.spec import DEFAULT_SPEC, PipelineSpec

__all__ = ["evaluate_streamed", "fit_streamed"]

Features = FeatureParts | str | Path | Sequence[str | Path]


def _dataset(features: Features) -> FeatureParts:
    return features if isinstance(features, FeatureParts) else FeatureFiles(features)


def evaluate_streamed(
    features: Features,
    spec: PipelineSpec = DEFAULT_SPEC,
    *,
    protocol: str = DEFAULT,
    protocol_settings: dict[str, Any] | None = None,
    resources: Resources = LOCAL,
) -> Result:
    """Score a pipeline under a protocol as `evaluate` does, with memory that hardly grows with the rows.

    Parameters
    ----------
    features : FeatureParts, path, or sequence of paths
        Rows with all features that the pipeline needs: features files, or a dataset that is read in parts.
    spec : PipelineSpec
        Its classifier must learn from batches (`BatchLearner`), without learned blocks and augmentation. Features files
        give the features if it names none.
    protocol, protocol_settings, resources
        As in `evaluate`.

    Raises
    ------
    SettingsError
        If the pipeline cannot learn from batches; the message names what is in the way.
    """
    prepared = prepare_streamed(_dataset(features), spec)
    split = protocol_or_default(protocol, "speaker-kfold", prepared.table, protocol_settings, spec)
    return evaluate_prepared(prepared, split, resources=resources)[0]


def fit_streamed(
    features: Features,
    spec: PipelineSpec = DEFAULT_SPEC,
    *,
    protocol: str | None = DEFAULT,
    protocol_settings: dict[str, Any] | None = None,
    resources: Resources = LOCAL,
) -> Model:
    """Estimate the scores of a pipeline, then fit it to all rows, as `fit` does, with memory that hardly grows.

    The rows without their features are in memory, about 1 KB each; the features are read in parts, in several passes.
    What the model says on unlike recordings comes from a random sample of 10 000 of them.

    Parameters
    ----------
    features, spec
        As in `evaluate_streamed`.
    protocol, protocol_settings, resources
        As in `fit`.

    Returns
    -------
    Model

    Raises
    ------
    SettingsError
        If the pipeline cannot learn from batches; the message names what is in the way.

    Examples
    --------
    >>> spec = PipelineSpec(classifier={"name": "linear-svm"})
    >>> model = fit_streamed("features.parquet", spec)  # doctest: +SKIP
    """
    prepared = prepare_streamed(_dataset(features), spec)
    split = (
        protocol_or_default(protocol, "speaker-holdout", prepared.table, protocol_settings, spec) if protocol else None
    )
    return fit_prepared(prepared, split=split, resources=resources)
