"""What the folder of an evaluation holds beside its result: predictions, and learning curves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fusionser.dimension_results import AnyResult, DimensionResult
from fusionser.errors import RowsError
from fusionser.evaluation.dimensions import predicted_column
from fusionser.results import Result
from fusionser.tables import load_table

__all__ = ["CURVES", "PREDICTIONS", "stored_curves", "stored_predictions"]

CURVES, PREDICTIONS = "learning_curves.csv", "predictions.csv"

REMEDY = "run the same 'fusionser evaluate' again, which writes it anew"


def stored_curves(folder: str | Path) -> pd.DataFrame:
    """Return the learning curves in the folder of an evaluation; an empty table if no network was trained.

    Raises
    ------
    RowsError
        If the file cannot be read, or is no table of learning curves.
    """
    path = Path(folder) / CURVES
    if not path.is_file():
        return pd.DataFrame()
    curves = load_table(path)
    _check_columns(curves, ["fold", "network", "epoch"], path)
    curves = curves.assign(
        **{
            str(name): pd.to_numeric(curves[name], errors="coerce")
            for name in curves
            if name not in ("fold", "network")
        }
    )
    if not np.isfinite(curves["epoch"]).all():
        raise RowsError(f"{path}: the column 'epoch' holds what is no number; {REMEDY}")
    return curves


def stored_predictions(folder: str | Path, result: AnyResult) -> pd.DataFrame | None:
    """Return the predictions in the folder of an evaluation; None if they are not there.

    Raises
    ------
    RowsError
        If the file cannot be read, or does not belong to such a result.
    """
    path = Path(folder) / PREDICTIONS
    if not path.is_file():
        return None
    predictions = load_table(path)
    if isinstance(result, DimensionResult):
        columns = [name for target in result.targets for name in (target, predicted_column(target))]
        return _with_numbers(predictions, columns, path)
    return _of_classes(predictions, result, path)


def _of_classes(predictions: pd.DataFrame, result: Result, path: Path) -> pd.DataFrame:
    _check_columns(predictions, ["truth", "predicted"], path)
    if others := sorted(set(predictions["truth"]).union(predictions["predicted"]) - set(result.classes)):
        raise RowsError(
            f"{path}: holds the emotion '{others[0]}', but the result is of {', '.join(result.classes)}; {REMEDY}"
        )
    probabilities = [f"probability_{name}" for name in result.classes]
    if not set(probabilities) & set(predictions):
        # Not every classifier gives probabilities.
        return predictions
    checked = _with_numbers(predictions, probabilities, path)
    if not checked[probabilities].apply(lambda column: column.between(0, 1)).all(axis=None):
        raise RowsError(f"{path}: a probability is not between 0 and 1; {REMEDY}")
    return checked


def _with_numbers(predictions: pd.DataFrame, columns: Sequence[str], path: Path) -> pd.DataFrame:
    _check_columns(predictions, columns, path)
    numbers = predictions[[*columns]].apply(pd.to_numeric, errors="coerce")
    for name in columns:
        if not np.isfinite(numbers[name]).all():
            raise RowsError(f"{path}: the column '{name}' holds what is no number; {REMEDY}")
    return predictions.assign(**numbers)


def _check_columns(table: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    if missing := [name for name in columns if name not in table]:
        raise RowsError(f"{path}: has no column '{missing[0]}'; {REMEDY}")
