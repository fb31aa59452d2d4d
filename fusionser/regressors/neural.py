"""Neural regressors on feature columns: the perceptron and the recurrent networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from fusionser.checks import check_dropout
from fusionser.classifiers.base import Array
from fusionser.classifiers.neural import check_hidden, check_recurrent, recurrent
from fusionser.classifiers.table_network import TableNetwork
from fusionser.networks.inference import logits_of
from fusionser.networks.perceptron import Perceptron
from fusionser.networks.recurrent import VectorRecurrent
from fusionser.networks.rows import TrainingRows
from fusionser.networks.training import train_network
from fusionser.networks.validation import hold_out
from fusionser.regressors.base import TableRegressor
from fusionser.scaling import split_carried
from fusionser.splits.validation_rows import given_validation
from fusionser.target_scales import TargetScales

__all__ = ["LSTM", "MLP", "BiLSTM"]


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkRegressor(TableNetwork, TableRegressor):
    """A network that predicts all targets together, trained with the loss 1 - CCC of each batch.

    It is trained with the parameters of `NetworkTraining`: the epoch with the best mean CCC of the held-out speakers is
    kept. Targets are standardised first, so that all count alike. Predictions stay within the range of the training
    rows, see `TargetScales`.
    """

    PART: ClassVar[str] = "regressor.safetensors"
    FEWEST: ClassVar[int] = 2

    def check_parameters(self) -> None:
        """Raise `SettingsError` if a parameter is outside its range, or needs classes."""
        self.check_for_numbers()
        super().check_parameters()

    def fit(self, X: Any, y: Any) -> Self:
        """Train the network; its validation rows are those of the protocol, or held out as by the classifiers."""
        self.check_parameters()
        values, targets = self._training(X, y)
        scales = TargetScales.of(targets)
        self.center_, self.scale_, self.low_, self.high_ = scales.center, scales.scale, scales.low, scales.high
        inputs, numbers = values.astype(np.float32), scales.standard(targets).astype(np.float32)
        carried, _ = split_carried(X)
        known = values if carried is None else carried
        alike = np.zeros(len(values), dtype=np.intp)
        given = given_validation() if self.validation > 0 else None
        if given is None:
            trained, held = hold_out(known, alike, self.validation, self.random_state or 0, self.validate_by)
            validation_inputs, validation_targets = inputs[held], numbers[held]
        else:
            trained = np.arange(len(values))
            validation_inputs = self._features(self._own_columns(given.columns())).astype(np.float32)
            validation_targets = scales.standard(given.labels).astype(np.float32)
        rows = TrainingRows(
            inputs=inputs[trained],
            targets=numbers[trained],
            validation_inputs=validation_inputs,
            validation_targets=validation_targets,
        )
        network, self.history_ = train_network(self._build, rows, np.zeros(0), self, name=type(self).__name__)
        # In double precision, the prediction for a row does not depend on its batch.
        self.network_ = network.double()
        return self

    def _scales(self) -> TargetScales:
        return TargetScales(self.center_, self.scale_, self.low_, self.high_)

    def numbers(self, values: Array) -> Array:
        """Return the prediction for checked columns, shape (n_rows, n_targets)."""
        return self._scales().restored(logits_of(self.network_, values.astype(np.float32), self.device))

    def check_loaded(self) -> None:
        """Raise `ValueError` if the scales of the targets do not fit; `unpack` checks the network."""
        self._scales().check(self.n_targets_)

    def output_count(self) -> int:
        """Return the number of targets."""
        return self.n_targets_


@dataclass(kw_only=True, eq=False, repr=False)
class MLP(NetworkRegressor):
    """Multilayer perceptron that predicts all targets together, trained with the loss 1 - CCC of each batch.

    The network is a `Perceptron`, trained with the parameters of `NetworkTraining`: the epoch with the best mean CCC of
    the held-out speakers is kept. Targets are standardised first, so that all count alike.

    Parameters
    ----------
    hidden : sequence of int, default=(64, 32)
        Units of each hidden layer; at most 16 layers.
    dropout : float, default=0.0
    learning_rate : float, default=3e-3

    Attributes
    ----------
    network_ : Perceptron
    history_ : list of dict
        The learning curve.
    center_, scale_, low_, high_ : ndarray of shape (n_targets,)
        Mean, standard deviation and range of each target in training.

    Examples
    --------
    >>> X = np.linspace(0, 1, 80)[:, None]
    >>> MLP(learning_rate=0.01).fit(X, np.c_[X, 5 - X]).predict([[0.5]]).round(1).tolist()
    [[0.5, 4.5]]
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"hidden": ((12, 10), (64, 32)), "dropout": (0.0, 0.3)}

    hidden: Sequence[int] = (64, 32)
    dropout: float = 0.0
    learning_rate: float = 3e-3

    def check_network(self) -> None:
        """Raise `SettingsError` if a parameter of the network is outside its range."""
        check_hidden(self.hidden)
        check_dropout(self.dropout)

    def build_network(self, n_inputs: int, n_targets: int) -> Perceptron:
        """Build `Perceptron`."""
        return Perceptron(n_inputs, n_targets, tuple(self.hidden), self.dropout)


@dataclass(kw_only=True, eq=False, repr=False)
class LSTM(NetworkRegressor):
    """LSTM over the columns of a row that predicts all targets together, trained with the loss 1 - CCC of each batch.

    The network is a `VectorRecurrent`, which reads the columns in order, as that of the classifier of the same name. A
    vector has no time axis; for sequences over time, use the deep extractors `LogMelFrames` and `MFCCFrames`, whose
    steps are frames. The epoch with the best mean CCC of the held-out speakers is kept. Targets are standardised first.

    Parameters
    ----------
    units : int, default=64
    step_size : int, optional
        Columns per step; the smallest number that gives at most 64 steps when None.
    dropout : float, default=0.2

    Attributes
    ----------
    network_ : VectorRecurrent
    history_ : list of dict
        The learning curve.
    center_, scale_, low_, high_ : ndarray of shape (n_targets,)
        Mean, standard deviation and range of each target in training.

    Examples
    --------
    >>> X = np.linspace(0, 1, 80)[:, None]
    >>> LSTM(units=8, learning_rate=0.02).fit(X, 10 * X).predict([[0.5]]).round().tolist()
    [[5.0]]
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"units": (32, 64), "dropout": (0.2, 0.5)}
    bidirectional: ClassVar[bool] = False
    units: int = 64
    step_size: int | None = None
    dropout: float = 0.2

    def check_network(self) -> None:
        """Raise `SettingsError` if a parameter of the network is outside its range."""
        check_recurrent(self.units, self.dropout, self.step_size)

    def build_network(self, n_inputs: int, n_targets: int) -> VectorRecurrent:
        """Build `VectorRecurrent`."""
        return recurrent(n_inputs, n_targets, self.step_size, self.units, self.bidirectional, self.dropout)


@dataclass(kw_only=True, eq=False, repr=False)
class BiLSTM(LSTM):
    """LSTM that reads the columns of a row in both directions (Schuster and Paliwal 1997), and predicts all targets.

    Parameters
    ----------
    units : int, default=64
        Units of each direction.

    Examples
    --------
    >>> X = np.linspace(0, 1, 80)[:, None]
    >>> BiLSTM(units=8, learning_rate=0.02).fit(X, 10 * X).predict([[0.5]]).round().tolist()
    [[5.0]]
    """

    bidirectional: ClassVar[bool] = True
