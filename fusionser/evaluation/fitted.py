"""What a fitted pipeline reports: its columns, the learning curves of its networks, the genders that it estimated."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from fusionser.evaluation.guard import check_unlabelled
from fusionser.facts import Stamp
from fusionser.features.clip import Computation
from fusionser.features.clip_batch import CPU
from fusionser.features.learned import LearnedBlock
from fusionser.names import ADAPTED, INDUCTIVE, SPEAKER_NORMALISED
from fusionser.networks.settings import NetworkTraining

__all__ = [
    "adapted_clips",
    "columns_of",
    "computed_stamps",
    "curves_of",
    "estimated_gender",
    "setting_of",
    "stops_early",
    "uses_gpu",
]


def setting_of(estimator: BaseEstimator) -> str:
    """Return the setting of an estimator, from the parameters of its scaler."""
    given = {
        (name.split("__")[-1], value) for name, value in estimator.get_params().items() if type(value) in (bool, str)
    }
    if ("by_speaker", True) in given:
        return SPEAKER_NORMALISED
    return ADAPTED if any(name == "adaptation" for name, _ in given) else INDUCTIVE


def computed_stamps(estimator: BaseEstimator) -> list[Stamp]:
    """Return what every result of an estimator must say of its feature blocks, such as their licences; each once."""
    parts = [part for part in estimator.get_params(deep=True).values() if isinstance(part, Computation | LearnedBlock)]
    stamps: list[Stamp] = []
    for stamp in (stamp for part in parts for stamp in part.stamps()):
        if stamp not in stamps:
            stamps.append(stamp)
    return stamps


def stops_early(estimator: BaseEstimator) -> bool:
    """Return whether an estimator has a network that stops early by validation rows."""
    parts = estimator.get_params(deep=True).values()
    return any(isinstance(part, NetworkTraining) and part.validation > 0 for part in parts)


def uses_gpu(estimator: BaseEstimator) -> bool:
    """Return whether a part of an estimator is computed on a GPU if there is one.

    Examples
    --------
    >>> from fusionser.classifiers import MLP, SVM
    >>> uses_gpu(MLP()), uses_gpu(MLP(device="cpu")), uses_gpu(SVM())
    (True, False, False)
    """
    return any(name.split("__")[-1] == "device" and value != CPU for name, value in estimator.get_params().items())


def columns_of(pipeline: Pipeline, rows: pd.DataFrame) -> Any:
    """Return the columns of test rows that the last step of a fitted pipeline classifies.

    If the setting is "adapted", the steps before it are first adapted to the rows of each corpus.

    Parameters
    ----------
    pipeline : Pipeline
    rows : DataFrame
        Test rows; without labels if the setting is "adapted".
    """
    if setting_of(pipeline) != ADAPTED:
        return pipeline[:-1].transform(rows)
    check_unlabelled(rows)
    corpora = _corpora(rows)
    parts = [_adapted_columns(pipeline, rows.iloc[places]) for places in corpora]
    order = np.argsort(np.concatenate(corpora))
    return pd.concat(parts).iloc[order] if isinstance(parts[0], pd.DataFrame) else np.concatenate(parts)[order]


def _corpora(rows: pd.DataFrame) -> list[Any]:
    return list(rows.groupby("corpus", sort=False).indices.values())


def adapted_clips(pipeline: Any, rows: pd.DataFrame) -> list[int]:
    """Return the number of test rows of each corpus that a pipeline was adapted to; none in other settings."""
    return [len(places) for places in _corpora(rows)] if setting_of(pipeline) == ADAPTED else []


def _adapted_columns(pipeline: Pipeline, rows: pd.DataFrame) -> Any:
    columns: Any = rows
    for _, step in pipeline.steps[:-1]:
        if hasattr(step, "fit_resample"):
            continue
        adapted = step.adapted(columns) if hasattr(step, "adapted") else step
        columns = adapted.transform(columns)
    return columns


def _parts(fitted: Any) -> dict[str, Any]:
    """Return the fitted parts of a pipeline by name, with those inside an extractor or a late fusion."""
    pipeline = getattr(fitted, "best_estimator_", fitted)
    parts: dict[str, Any] = {}
    for name, step in getattr(pipeline, "steps", [("estimator", pipeline)]):
        parts |= {name: step, **getattr(step, "learned_", {})}
        parts |= _members(name, step)
    return parts


def _members(name: str, step: Any) -> dict[str, Any]:
    """Return the members of a fitted classifier by name, and theirs; the only one of a classifier has its name."""
    parts: dict[str, Any] = {}
    for member, part in getattr(step, "members_", {}).items():
        place = name if member == getattr(step, "MEMBER", None) else f"{name} {member}"
        parts |= {place: part, **_members(place, part)}
    return parts


def curves_of(fitted: Any, fold: str) -> list[dict[str, Any]]:
    """Return the learning curves of all networks in a fitted pipeline, one record per epoch."""
    return [
        {"fold": fold, "network": name, **epoch}
        for name, part in _parts(fitted).items()
        for epoch in getattr(part, "history_", [])
    ]


def estimated_gender(fitted: Any, rows: pd.DataFrame) -> tuple[int, int]:
    """Return how many clips have a correctly estimated gender, and how many a labelled one; zeros without estimates."""
    for part in _parts(fitted).values():
        if getattr(part, "kind", None) == "estimated-gender":
            labelled = rows["gender"].isin(["male", "female"]).to_numpy()
            male = np.asarray(part.transform(rows))[:, 0] > 0.5
            return int((male == (rows["gender"] == "male").to_numpy())[labelled].sum()), int(labelled.sum())
    return 0, 0
