"""A pipeline that learns from the batches of a dataset, and predicts them."""

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from imblearn.pipeline import Pipeline
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from fusionser.classifiers.batches import Batch
from fusionser.features.parts import FeatureParts
from fusionser.model import CLASSIFIER, FEATURES, SCALE
from fusionser.pipeline.streamed import PLACE, feature_parts

__all__ = ["StreamedPipeline"]

Array = npt.NDArray[Any]


class StreamedPipeline(ClassifierMixin, BaseEstimator):
    """A pipeline that gets rows without their features, and reads these from a dataset, part by part.

    Parameters
    ----------
    dataset : FeatureParts
    pipeline : Pipeline
        Features, scaling and a classifier that learns from batches.

    Attributes
    ----------
    pipeline_ : Pipeline
        The fitted one.
    classes_ : ndarray of shape (n_classes,)
    """

    def __init__(self, dataset: FeatureParts, pipeline: Pipeline) -> None:
        self.dataset = dataset
        self.pipeline = pipeline

    def __sklearn_clone__(self) -> "StreamedPipeline":
        # The dataset is not copied.
        return StreamedPipeline(self.dataset, clone(self.pipeline))

    @property
    def steps(self) -> list[tuple[str, Any]]:
        """The steps of the pipeline, fitted after `fit`."""
        steps: list[tuple[str, Any]] = getattr(self, "pipeline_", self.pipeline).steps
        return steps

    def __getitem__(self, name: str) -> Any:
        """Return a step by its name."""
        return dict(self.steps)[name]

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        """Fit the pipeline to rows of `Streamed.table`, with their labels."""
        order = np.argsort(X[PLACE].to_numpy())
        rows, labels = X.iloc[order], np.asarray(y, dtype=object)[order]
        self.pipeline_ = clone(self.pipeline)
        self[FEATURES].fit(rows)
        self[SCALE].fit_batches(self._tables(rows, "scaling"))
        passes = [0]

        def batches() -> Iterator[Batch]:
            passes[0] += 1
            done = 0
            for table in self._tables(rows, f"training, pass {passes[0]}"):
                yield self[SCALE].transform(table), labels[done : done + len(table)], None
                done += len(table)

        self[CLASSIFIER].fit_batches(batches)
        self.classes_ = self[CLASSIFIER].classes_
        return self

    def predict(self, X: pd.DataFrame) -> Array:
        """Return the class of each row, shape (n_rows,)."""
        return self._predicted(X, self[CLASSIFIER].predict)

    def predict_proba(self, X: pd.DataFrame) -> Array:
        """Return the probability of each class, shape (n_rows, n_classes)."""
        return self._predicted(X, self[CLASSIFIER].predict_proba)

    def _predicted(self, X: pd.DataFrame, answer: Callable[[Any], Array]) -> Array:
        order = np.argsort(X[PLACE].to_numpy())
        tables = self._tables(X.iloc[order], "predicting")
        answers = np.concatenate([answer(self[SCALE].transform(table)) for table in tables])
        found = np.empty_like(answers)
        found[order] = answers
        return found

    def _tables(self, rows: pd.DataFrame, what: str) -> Iterator[Any]:
        return feature_parts(self.dataset, self[FEATURES], rows, what)
