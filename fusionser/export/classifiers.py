"""Scaling and classifiers as tensors, in double precision where the library computes in double precision."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, RobustScaler, StandardScaler
from torch import Tensor, nn

from fusionser.classifiers import (
    SVM,
    BalancedBagging,
    KernelRidge,
    LateFusion,
    LinearSVM,
    LogitAdjustment,
    RandomForest,
    XGBoost,
)
from fusionser.classifiers.late import LEAST
from fusionser.classifiers.neural import NetworkClassifier
from fusionser.errors import SettingsError
from fusionser.export.trees import Trees
from fusionser.scaling import LIMIT, BlockScaler, BoundedScaler

__all__ = ["Scaled", "classifier_module"]


def _buffer(values: Any) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.array(values, dtype=np.float64)), requires_grad=False)


class Scaled(nn.Module):
    """The columns after a `BlockScaler`.

    Parameters
    ----------
    scaler : BlockScaler

    Raises
    ------
    SettingsError
        If a block is scaled by quantiles.
    """

    def __init__(self, scaler: BlockScaler) -> None:
        super().__init__()
        size = scaler.n_features_in_
        shift, factor, limit = np.zeros(size), np.ones(size), np.full(size, np.inf)
        for block, columns in scaler._blocks().items():
            weight = np.sqrt(len(columns)) if scaler.equal_blocks else 1.0
            shift[columns], factor[columns] = _line(scaler.scalers_[block])
            if isinstance(scaler.scalers_[block], BoundedScaler):
                limit[columns] = LIMIT / weight
            factor[columns] /= weight
        self.shift, self.factor, self.limit = map(_buffer, (shift, factor, limit))
        aligning = scaler._alignment
        self.aligning = nn.ParameterDict({name: _buffer(values) for name, values in aligning.items()})

    def forward(self, columns: Tensor) -> Tensor:
        """Return the scaled columns, shape (n_rows, n_columns), float64."""
        values = columns.double()
        if len(self.aligning):
            centred, factors = values - self.aligning["centre"], self.aligning["factors"]
            values = (centred * factors if factors.ndim == 1 else centred @ factors) + self.aligning["mean"]
        return ((values - self.shift) * self.factor).clamp(min=-self.limit, max=self.limit)


def _line(scaler: Any) -> tuple[Any, Any]:
    """Return what a scaler subtracts, and what it then multiplies by."""
    if isinstance(scaler, StandardScaler):
        return scaler.mean_, 1.0 / np.asarray(scaler.scale_)
    if isinstance(scaler, RobustScaler):
        return scaler.center_, 1.0 / np.asarray(scaler.scale_)
    if isinstance(scaler, MinMaxScaler):
        return -scaler.min_ / scaler.scale_, scaler.scale_
    if isinstance(scaler, FunctionTransformer):
        return 0.0, 1.0
    raise SettingsError(
        "scaling by quantiles cannot be exported; fit the model again with --scaling standard, bounded, robust, minmax "
        "or none"
    )


class SVMModule(nn.Module):
    """A support vector machine: votes of its pairs, and probabilities by its sigmoids."""

    def __init__(self, classifier: SVM) -> None:
        super().__init__()
        machine, classes = classifier.svc_, len(classifier.classes_)
        self.classes, self.linear, self.gamma = classes, classifier.kernel == "linear", float(machine._gamma)
        self.pairs = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
        self.vectors, self.weights = _buffer(machine.support_vectors_), _buffer(_pair_weights(machine, self.pairs))
        self.intercepts = _buffer(machine.intercept_)
        self.sigmoids = None
        if classifier.calibrator_ is not None:
            fitted = classifier.calibrator_.calibrated_classifiers_[0].calibrators
            self.sigmoids = _buffer([[sigmoid.a_, sigmoid.b_] for sigmoid in fitted])

    def forward(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities and the votes that decide the answer."""
        kernel = columns @ self.vectors.T if self.linear else _radial(columns, self.vectors, self.gamma)
        decisions = kernel @ self.weights + self.intercepts
        if self.classes == 2:
            values = decisions[:, :1]
            return self._probabilities(values), torch.cat([-values, values], dim=1)
        votes, margins = self._votes(decisions)
        return self._probabilities(votes + margins / (3.0 * (margins.abs() + 1.0))), votes

    def _votes(self, decisions: Tensor) -> tuple[Tensor, Tensor]:
        first = torch.zeros(len(self.pairs), self.classes, dtype=torch.float64)
        second = torch.zeros_like(first)
        for place, (i, j) in enumerate(self.pairs):
            first[place, i], second[place, j] = 1.0, 1.0
        wins = (decisions > 0).double()
        return wins @ first + (1.0 - wins) @ second, decisions @ (first - second)

    def _probabilities(self, values: Tensor) -> Tensor:
        if self.sigmoids is None:
            return torch.softmax(torch.cat([-values, values], dim=1) if self.classes == 2 else values, dim=1)
        shares = torch.sigmoid(-(self.sigmoids[:, 0] * values + self.sigmoids[:, 1]))
        if self.classes == 2:
            return torch.cat([1.0 - shares, shares], dim=1)
        total = shares.sum(dim=1, keepdim=True)
        return torch.where(total == 0, 1.0 / self.classes, shares / torch.where(total == 0, 1.0, total))


def _radial(columns: Tensor, vectors: Tensor, gamma: float) -> Tensor:
    """Return the radial basis function of each row and each vector, shape (n_rows, n_vectors)."""
    norms = columns.square().sum(dim=1, keepdim=True) + vectors.square().sum(dim=1)
    return torch.exp(-gamma * (norms - 2.0 * (columns @ vectors.T)).clamp(min=0.0))


def _pair_weights(machine: Any, pairs: Sequence[tuple[int, int]]) -> npt.NDArray[np.float64]:
    """Return the weight of each support vector in the decision of each pair of classes, (n_vectors, n_pairs)."""
    if len(machine.classes_) == 2:
        return np.asarray(machine.dual_coef_).T
    ends = np.cumsum(machine.n_support_)
    spans = [slice(end - count, end) for end, count in zip(ends, machine.n_support_, strict=True)]
    weights = np.zeros((len(machine.support_vectors_), len(pairs)))
    for place, (i, j) in enumerate(pairs):
        # Row k of the coefficients is against the k-th other class.
        weights[spans[i], place] = machine.dual_coef_[j - 1, spans[i]]
        weights[spans[j], place] = machine.dual_coef_[i, spans[j]]
    return weights


class LinearSVMModule(nn.Module):
    """A linear support vector machine on kernel features: the softmax of its decision values."""

    def __init__(self, classifier: LinearSVM) -> None:
        super().__init__()
        self.landmarks, self.weights = _buffer(classifier.landmarks_), _buffer(classifier.weights_)
        self.intercept, self.gamma = _buffer(classifier.intercept_), classifier.gamma_
        self.temperature = classifier.temperature_

    def forward(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities, which also decide the answer."""
        values = _radial(columns, self.landmarks, self.gamma) @ self.weights + self.intercept
        values = torch.cat([-values, values], dim=1) if values.shape[1] == 1 else values
        shares = torch.softmax(values / self.temperature, dim=1)
        return shares, shares


class KernelRidgeModule(nn.Module):
    """Kernel ridge classification: the softmax of a logistic regression of the outputs for each class."""

    def __init__(self, classifier: KernelRidge) -> None:
        super().__init__()
        self.landmarks, self.weights = _buffer(classifier.landmarks_), _buffer(classifier.weights_)
        self.intercept, self.gamma = _buffer(classifier.intercept_), classifier.gamma_
        self.slopes, self.offsets = _buffer(classifier.slopes_), _buffer(classifier.offsets_)

    def forward(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities, which also decide the answer."""
        outputs = _radial(columns, self.landmarks, self.gamma) @ self.weights + self.intercept
        shares = torch.softmax(outputs @ self.slopes + self.offsets, dim=1)
        return shares, shares


class ForestModule(nn.Module):
    """A random forest: the mean share of each class in the leaves."""

    def __init__(self, classifier: RandomForest) -> None:
        super().__init__()
        self.trees, self.count = Trees.of_forest(classifier.forest_), len(classifier.forest_.estimators_)

    def forward(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities, which also decide the answer."""
        shares = self.trees(columns) / self.count
        return shares, shares


class BoosterModule(nn.Module):
    """Boosted trees: the softmax of the sums of their leaves."""

    def __init__(self, classifier: XGBoost) -> None:
        super().__init__()
        self.trees, start = Trees.of_booster(classifier.booster_, len(classifier.classes_))
        self.start = _buffer(start)

    def forward(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities, which also decide the answer."""
        shares = torch.softmax(self.trees(columns) + self.start, dim=1)
        return shares, shares


class NetworkModule(nn.Module):
    """A network on the columns."""

    def __init__(self, classifier: NetworkClassifier) -> None:
        super().__init__()
        # ONNX Runtime has recurrent layers and convolutions in single precision only.
        self.network = deepcopy(classifier.network_).float().eval()

    def forward(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities, which also decide the answer."""
        values = columns.float()
        if self.network.preparation is not None:
            values = self.network.preparation(values)
        shares = torch.softmax((self.network(values) / self.network.temperature).double(), dim=1)
        return shares, shares


class BagModule(nn.Module):
    """The mean of members."""

    def __init__(self, classifier: BalancedBagging) -> None:
        super().__init__()
        self.members = nn.ModuleList(classifier_module(member) for member in classifier.members_.values())

    def forward(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities, which also decide the answer."""
        shares = torch.stack([member(columns)[0] for member in self.members]).mean(dim=0)
        return shares, shares


class AdjustedModule(nn.Module):
    """Probabilities divided by the share of each class in training."""

    def __init__(self, classifier: LogitAdjustment) -> None:
        super().__init__()
        (member,) = classifier.members_.values()
        self.member, self.shares = classifier_module(member), _buffer(classifier.shares_)

    def forward(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities, which also decide the answer."""
        adjusted = self.member(columns)[0] / self.shares
        shares = adjusted / adjusted.sum(dim=1, keepdim=True)
        return shares, shares


class FusionModule(nn.Module):
    """Late fusion: weighted log-probabilities, or a regression on them."""

    def __init__(self, classifier: LateFusion) -> None:
        super().__init__()
        places = {name: place for place, name in enumerate(map(str, classifier.feature_names_in_))}
        groups = {name: [places[column] for column in group] for name, group in classifier.groups_.items()}
        self.groups = groups
        self.scored = {name: [places[column] for column in group] for name, group in classifier.scored_.items()}
        self.members = nn.ModuleList(classifier_module(classifier.members_[name]) for name in groups)
        self.weights = [float(classifier.weights_.get(name, 0.0)) for name in (*groups, *self.scored)]
        self.stack = None
        if classifier.stack_ is not None:
            coefficients, start = classifier.stack_.coef_.T, classifier.stack_.intercept_
            if len(start) == 1:
                # A regression of two classes has the scores of the second only.
                coefficients, start = np.hstack([0 * coefficients, coefficients]), np.array([0.0, start[0]])
            self.stack, self.start = _buffer(coefficients), _buffer(start)

    def forward(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities, which also decide the answer."""
        parts = [
            member(columns[:, group])[0].clamp(min=LEAST).log()
            for member, group in zip(self.members, self.groups.values(), strict=True)
        ]
        parts += [columns[:, group] for group in self.scored.values()]
        if self.stack is not None:
            scores = torch.cat(parts, dim=1) @ self.stack + self.start
        else:
            scores = torch.stack([weight * part for weight, part in zip(self.weights, parts, strict=True)]).sum(dim=0)
        shares = torch.softmax(scores, dim=1)
        return shares, shares


MODULES: Mapping[type[Any], type[nn.Module]] = {
    SVM: SVMModule,
    LinearSVM: LinearSVMModule,
    KernelRidge: KernelRidgeModule,
    RandomForest: ForestModule,
    XGBoost: BoosterModule,
    NetworkClassifier: NetworkModule,
    BalancedBagging: BagModule,
    LateFusion: FusionModule,
    LogitAdjustment: AdjustedModule,
}


def classifier_module(classifier: Any) -> nn.Module:
    """Return a classifier as a module from columns to probabilities, and to the scores that decide the answer.

    Raises
    ------
    SettingsError
        If the classifier is not one of fusionser's.
    """
    for kind, module in MODULES.items():
        if isinstance(classifier, kind):
            return module(classifier)
    raise SettingsError(
        f"the classifier {type(classifier).__name__} cannot be exported; expected one of fusionser's own"
    )
