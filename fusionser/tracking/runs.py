"""The run of a result: its specification, its scores with intervals, its learning curves and its files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fusionser.dimension_results import AnyResult, DimensionResult, method_of
from fusionser.evaluation.fitted import curves_of
from fusionser.model import Model
from fusionser.names import corpus_text
from fusionser.results import Result
from fusionser.tracking.base import TrackingRun

__all__ = ["curves_by_name", "flat", "model_run", "result_run"]


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Return nested settings by dotted names, each as JSON, but texts as they are.

    Examples
    --------
    >>> flat({"seed": 0, "classifier": {"name": "svm", "parameters": {}}})
    {'seed': '0', 'classifier.name': 'svm', 'classifier.parameters': '{}'}
    """
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value if isinstance(value, str) else json.dumps(value)
    return found


def result_run(
    result: AnyResult, curves: pd.DataFrame | None = None, artefacts: Sequence[Path] = (), name: str = ""
) -> TrackingRun:
    """Return what is recorded of a result.

    Parameters
    ----------
    result : Result or DimensionResult
    curves : DataFrame, optional
        Learning curves of its networks.
    artefacts : sequence of Path
    name : str, default=""
        Name of the run; by default that of the classifier, the features and the corpora.

    Returns
    -------
    TrackingRun
    """
    spec = None if result.spec is None else result.spec.model_dump(mode="json")
    stored = {
        "corpora": list(result.corpora),
        "protocol": {"name": result.protocol.name, "settings": result.protocol.settings},
        "commit": result.provenance["commit"],
    }
    if isinstance(result, Result):
        stored["classes"] = list(result.classes)
    return TrackingRun(
        name=name or f"{method_of(result)} with {result.features_name} on {result.corpus}",
        parameters=flat(stored) | ({} if spec is None else flat(spec, "pipeline.")),
        scores=_scores(result) if isinstance(result, Result) else _agreement(result),
        curves={} if curves is None or curves.empty else curves_by_name(curves),
        artefacts=artefacts,
    )


def model_run(model: Model, artefacts: Sequence[Path] = ()) -> TrackingRun:
    """Return what is recorded of a model: the scores of its estimate, and the curves of its own training.

    Parameters
    ----------
    model : Model
    artefacts : sequence of Path

    Returns
    -------
    TrackingRun
    """
    card = model.card
    name = f"{card.classifier} with {card.features_name}, trained on {corpus_text(card.corpus)}"
    curves = pd.DataFrame(curves_of(model.pipeline, "all"))
    if card.estimate is not None:
        return result_run(card.estimate, curves, artefacts, name)
    parameters = {} if card.spec is None else flat(card.spec.model_dump(mode="json"), "pipeline.")
    return TrackingRun(
        name=name,
        parameters={"corpora": card.corpus, **parameters},
        curves={} if curves.empty else curves_by_name(curves),
        artefacts=artefacts,
    )


def _scores(result: Result) -> dict[str, float]:
    found = dict(result.pooled.model_dump())
    for name, (low, high) in (result.intervals or {}).items():
        found |= {f"{name}_low": low, f"{name}_high": high}
    if result.calibration_error is not None:
        found["calibration_error"] = result.calibration_error
    return found | {f"recall.{name}": scores.recall for name, scores in result.per_class.items()}


def _agreement(result: DimensionResult) -> dict[str, float]:
    found: dict[str, float] = {}
    for target, scores in result.pooled.items():
        for name, value in scores.model_dump().items():
            if value is None:
                continue
            found[f"{name}.{target}"] = value
            if result.intervals is not None:
                low, high = result.intervals[target][name]
                found |= {f"{name}_low.{target}": low, f"{name}_high.{target}": high}
    return found


def curves_by_name(curves: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
    """Return each measure of each network and fold over the epochs, without epochs that lack it.

    Examples
    --------
    >>> table = pd.DataFrame({"fold": ["1", "1"], "network": "conv1d", "epoch": [1, 2], "training_loss": [0.9, 0.5]})
    >>> curves_by_name(table)["conv1d/1/training_loss"].to_dict()
    {1: 0.9, 2: 0.5}
    """
    measures = curves.drop(columns=["fold", "network", "epoch"]).select_dtypes("number").columns
    return {
        f"{network}/{fold}/{measure}": part.set_index("epoch")[measure].dropna().astype(float)
        for (network, fold), part in curves.groupby(["network", "fold"], sort=False)
        for measure in measures
    }
