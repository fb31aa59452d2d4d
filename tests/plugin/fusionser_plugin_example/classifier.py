"""A classifier, whose fitted state is one array."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from fusionser.classifiers import TableClassifier


@dataclass(kw_only=True, eq=False, repr=False)
class NearestMean(TableClassifier):
    """The class whose mean is nearest, by the mean square difference of the columns."""

    PART: ClassVar[str] = "means.json"
    sharpness: float = 1.0
    balance: str | None = None
    random_state: int | None = 0

    def fit(self, X: Any, y: Any) -> Self:
        values, labels = self._balanced(*self._training(X, y))
        self.means_ = np.stack([values[labels == name].mean(axis=0) for name in self.classes_])
        return self

    def probabilities(self, values: Any) -> Any:
        squares = np.square(values[:, None] - self.means_).mean(axis=2)
        powers = np.exp(-self.sharpness * (squares - squares.min(axis=1, keepdims=True)))
        return powers / powers.sum(axis=1, keepdims=True)

    def pack(self) -> dict[str, bytes]:
        part = json.dumps(self.means_.tolist()).encode()
        del self.means_
        return {self.PART: part}

    def unpack(self, parts: Mapping[str, bytes]) -> None:
        means = np.array(json.loads(parts[self.PART]), dtype=np.float64)
        if means.shape != (len(self.classes_), self.n_features_in_):
            raise ValueError(f"means of shape {means.shape}")
        self.means_ = means
