"""A program of a user, which mypy and pyright check against the installed package (`.ci/check-wheel`)."""

from pathlib import Path

import pandas as pd

import fusionser
from fusionser import FeatureExtractor, Model, PipelineSpec
from fusionser.errors import FusionserError


def answers(recordings: list[str], model: Path | None = None) -> pd.DataFrame:
    """Predict recordings with a model."""
    loaded: Model = fusionser.load_model(model)
    classes: tuple[str, ...] = loaded.card.classes
    table: pd.DataFrame = loaded.predict(recordings)
    return table[["emotion", *(f"probability_{name}" for name in classes)]]


def columns(recordings: list[str]) -> int:
    """Count the columns of a preset."""
    extractor: FeatureExtractor = fusionser.robust()
    return len(extractor.fit(recordings).get_feature_names_out())


def fitted(folder: Path) -> Model:
    """Fit a model, or say why that failed."""
    try:
        return fusionser.fit(folder, PipelineSpec(seed=1))
    except FusionserError as error:
        raise SystemExit(str(error)) from error
