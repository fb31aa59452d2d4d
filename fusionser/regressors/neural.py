"""Neural regressor on feature columns: the multilayer perceptron."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from fusionser.checks import check_dropout
from fusionser.classifiers.base import Array
from fusionser.classifiers.neural import check_hidden
from fusionser.errors import SettingsError
from fusionser.networks.inference import logits_of
from fusionser.networks.perceptron import Perceptron
from fusionser.networks.settings import NetworkTraining
from fusionser.networks.training import TrainingRows, train_network
from fusionser.networks.validation import hold_out
from fusionser.networks.weights import pack_network, unpack_network
from fusionser.regressors.base import TableRegressor, check_scales, standardised
from fusionser.scaling import split_carried
from fusionser.splits.validation_rows import given_validation

__all__ = ["MLP"]


@dataclass(kw_only=True, eq=False, repr=False)
class MLP(NetworkTraining, TableRegressor):
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
    center_, scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of each target in training.

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

    PART: ClassVar[str] = "regressor.safetensors"

    def check_network(self) -> None:
        """Raise `SettingsError` if a parameter is outside its range, or needs classes."""
        self.check_training()
        check_hidden(self.hidden)
        check_dropout(self.dropout)
        needs_classes = {"class_weight": None, "label_smoothing": 0.0, "by_corpus": False, "soft_labels": False}
        for name, without in needs_classes.items():
            if getattr(self, name) != without:
                raise SettingsError(f"{name} is {getattr(self, name)!r}; it needs classes, so expected {without!r}")

    def fit(self, X: Any, y: Any) -> Self:
        """Train the network; its validation rows are those of the protocol, or held out as by the classifiers."""
        self.check_network()
        values, targets = self._training(X, y)
        scaled, self.center_, self.scale_ = standardised(targets)
        inputs, numbers = values.astype(np.float32), scaled.astype(np.float32)
        carried, _ = split_carried(X)
        known = values if carried is None else carried
        alike = np.zeros(len(values), dtype=np.intp)
        given = given_validation() if self.validation > 0 else None
        if given is None:
            trained, held = hold_out(known, alike, self.validation, self.random_state or 0, self.validate_by)
            validation_inputs, validation_targets = inputs[held], numbers[held]
        else:
            trained = np.arange(len(values))
            validation_inputs = self._features(given.columns()).astype(np.float32)
            validation_targets = self._scaled(given.labels).astype(np.float32)
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

    def _scaled(self, targets: Any) -> Array:
        """Return targets in the scale of the network."""
        return (np.asarray(targets, dtype=np.float64).reshape(len(targets), -1) - self.center_) / self.scale_

    def numbers(self, values: Array) -> Array:
        """Return the prediction for checked columns, shape (n_rows, n_targets)."""
        scaled = logits_of(self.network_, values.astype(np.float32), self.device).astype(np.float64)
        return scaled * self.scale_ + self.center_

    def check_loaded(self) -> None:
        """Raise `ValueError` if the scales of the targets do not fit; `unpack` checks the network."""
        check_scales(self.center_, self.scale_, self.n_targets_)

    def pack(self) -> dict[str, bytes]:
        """Remove the network and return it as safetensors, without the learning curve and the device."""
        part = pack_network(self.network_.float())
        del self.network_
        return {self.PART: part}

    def unpack(self, parts: Mapping[str, bytes]) -> None:
        """Restore the network.

        Raises
        ------
        ValueError
            If the weights do not fit this network with these targets and columns.
        """
        self.check_network()
        self.network_ = unpack_network(self._build, parts[self.PART]).double()

    def _build(self) -> Perceptron:
        return Perceptron(int(self.n_features_in_), self.n_targets_, tuple(self.hidden), self.dropout)
