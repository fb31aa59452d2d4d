"""Neural classifiers on feature columns: the perceptron and the recurrent networks of SER-FusionNet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax

from fusionser.checks import check_dropout, check_units
from fusionser.classifiers.base import Array, TableClassifier
from fusionser.classifiers.table_network import TableNetwork
from fusionser.errors import SettingsError
from fusionser.networks.corpora import corpora_of
from fusionser.networks.inference import logits_of
from fusionser.networks.perceptron import Perceptron
from fusionser.networks.recurrent import VectorRecurrent
from fusionser.networks.rows import TrainingRows
from fusionser.networks.soft_labels import shares_of
from fusionser.networks.training import train_network
from fusionser.networks.validation import hold_out
from fusionser.scaling import split_carried
from fusionser.search_space import NumberRange, Space
from fusionser.splits.validation_rows import given_validation

__all__ = ["LSTM", "MLP", "BiLSTM", "check_hidden", "check_recurrent", "recurrent"]

MOST_STEPS = 64
MOST_LAYERS = 16


def check_hidden(hidden: Any) -> None:
    """Raise `SettingsError` unless these are units of the hidden layers of a perceptron."""
    if isinstance(hidden, str) or np.ndim(hidden) != 1 or len(hidden) > MOST_LAYERS:
        raise SettingsError(f"hidden is {hidden!r}; expected a list of at most {MOST_LAYERS} numbers of units")
    check_units(hidden=hidden)


def check_recurrent(units: Any, dropout: Any, step_size: Any) -> None:
    """Raise `SettingsError` unless these are parameters of a recurrent network on columns."""
    check_units(units=units)
    check_dropout(dropout)
    if step_size is not None:
        check_units(step_size=step_size)


def recurrent(
    n_inputs: int, n_outputs: int, step_size: int | None, units: int, bidirectional: bool, dropout: float
) -> VectorRecurrent:
    """Build `VectorRecurrent`; without `step_size`, the smallest number of columns per step with at most 64 steps."""
    size = step_size or -(-n_inputs // MOST_STEPS)
    return VectorRecurrent(n_inputs, n_outputs, size, units, bidirectional, dropout)


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkClassifier(TableNetwork, TableClassifier):
    """A network on the columns of a table, trained with the parameters of `NetworkTraining`.

    Parameters
    ----------
    balance : str, optional
        Balancing of the training rows (see `TableClassifier`); with `by_corpus`, of each corpus by itself.
    """

    balance: str | None = None

    PART: ClassVar[str] = "classifier.safetensors"

    def fit(self, X: Any, y: Any, validation_rows: tuple[Any, Any] | None = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : table or array of shape (n_rows, n_columns)
            A table may have the columns ``speaker``, ``source`` and ``augmentation``, which validation rows are chosen
            by (see `hold_out`), ``corpus``, for `by_corpus`, and ``votes_of_raters``, for `soft_labels`.
        y : sequence of shape (n_rows,)
        validation_rows : (rows, labels), optional
            Validation rows, instead of those that the protocol gives, or else held-out rows of X. With test rows here,
            the epoch is chosen on the test set: several papers report such scores, which do not estimate performance on
            new data.

        Raises
        ------
        SettingsError
            If a parameter is outside its range, a validation row has a class that no training row has, or both
            `balance` and `soft_labels` are set.
        """
        self.check_training()
        self.check_network()
        if self.soft_labels and self.balance is not None:
            raise SettingsError(f"got soft_labels with balance='{self.balance}', which makes rows that have no votes")
        values, labels = self._training(X, y)
        inputs = values.astype(np.float32)
        carried, _ = split_carried(X)
        known = values if carried is None else carried
        if validation_rows is None and self.validation > 0 and (given := given_validation()) is not None:
            validation_rows = self._own_columns(given.columns()), given.labels
        if validation_rows is None:
            trained, held = hold_out(known, labels, self.validation, self.random_state or 0, self.validate_by)
            validation, validation_labels = inputs[held], labels[held]
            validation_shares = self._shares(known, labels, held)
        else:
            trained = np.arange(len(labels))
            validation, validation_labels = self._validation(*validation_rows)
            validation_shares = self._shares(validation_rows[0], validation_labels)
        corpora = corpora_of(known)[trained] if self.by_corpus else np.full(len(trained), "")
        learned, learned_labels, corpora = self._balanced_corpora(inputs[trained], labels[trained], corpora)
        rows = TrainingRows(
            inputs=learned,
            targets=np.searchsorted(self.classes_, learned_labels).astype(np.int64),
            corpora=corpora,
            validation_inputs=validation,
            validation_targets=np.searchsorted(self.classes_, validation_labels).astype(np.int64),
            shares=self._shares(known, labels, trained),
            validation_shares=validation_shares,
        )
        network, self.history_ = train_network(self._build, rows, self.classes_, self, name=type(self).__name__)
        # In double precision, the prediction for a row does not depend on its batch.
        self.network_ = network.double()
        return self

    def _shares(self, X: Any, labels: Array, kept: Any = slice(None)) -> Array | None:
        """Return the shares of the votes for the kept rows; None without `soft_labels`."""
        return shares_of(X, labels, self.classes_)[kept] if self.soft_labels else None

    def _validation(self, X: Any, y: Any) -> tuple[Array, Array]:
        """Return given validation rows as checked columns and labels."""
        labels = np.asarray(y)
        unknown = sorted(set(labels) - set(self.classes_))
        if unknown:
            raise SettingsError(f"the validation rows have the class '{unknown[0]}', but no training row has it")
        return self._features(X).astype(np.float32), labels

    def _balanced_corpora(self, values: Array, labels: Array, corpora: Array) -> tuple[Array, Array, Array]:
        """Return the balanced training rows and their corpora."""
        if self.balance is None:
            return values, labels, corpora
        # A row that is interpolated between two corpora would belong to neither.
        names = np.unique(corpora)
        parts = [self._balanced(values[corpora == name], labels[corpora == name]) for name in names]
        more, more_labels = (np.concatenate(part) for part in zip(*parts, strict=True))
        return more, more_labels, np.repeat(names, [len(part) for _, part in parts])

    def probabilities(self, values: Array) -> Array:
        """Return the probability of each class for checked columns, shape (n_rows, n_classes)."""
        logits = logits_of(self.network_, values.astype(np.float32), self.device)
        return softmax(logits.astype(np.float64), axis=1)

    def output_count(self) -> int:
        """Return the number of classes."""
        return len(self.classes_)


@dataclass(kw_only=True, eq=False, repr=False)
class MLP(NetworkClassifier):
    """Multilayer perceptron; by default SER-FusionNet's, with 12 and 10 units.

    The network is a `Perceptron`.

    Parameters
    ----------
    hidden : sequence of int, default=(12, 10)
        Units of each hidden layer; at most 16 layers.
    dropout : float, default=0.0

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    network_ : Perceptron
    history_ : list of dict
        The learning curve.

    Examples
    --------
    >>> X = np.r_[np.zeros((40, 2)), np.ones((40, 2))] + np.random.default_rng(0).normal(0, 0.1, (80, 2))
    >>> MLP(learning_rate=0.01).fit(X, ["calm"] * 40 + ["sad"] * 40).predict([[1.0, 1.0]]).tolist()
    ['sad']
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"hidden": ((12, 10), (64, 32)), "dropout": (0.0, 0.3)}
    space: ClassVar[Space] = {
        **TableNetwork.space,
        "hidden": ((12, 10), (32,), (64, 32), (128, 64), (256, 128)),
        "dropout": NumberRange(0.0, 0.6),
    }

    hidden: Sequence[int] = (12, 10)
    dropout: float = 0.0

    def check_network(self) -> None:
        """Raise `SettingsError` if a parameter of the network is outside its range."""
        check_hidden(self.hidden)
        check_dropout(self.dropout)

    def build_network(self, n_inputs: int, n_classes: int) -> Perceptron:
        """Build `Perceptron`."""
        return Perceptron(n_inputs, n_classes, tuple(self.hidden), self.dropout)


@dataclass(kw_only=True, eq=False, repr=False)
class LSTM(NetworkClassifier):
    """LSTM over the columns of a row.

    The network is a `VectorRecurrent`. The SER-FusionNet slides name an LSTM on the fused vector and do not say what
    its sequence is. Here the columns are read in order, `step_size` columns per step: the 39 columns of the paper's
    fusion are 39 steps of one value, and wider tables are cut into at most 64 steps. A fused vector has no time axis;
    for sequences over time, use the deep extractors `LogMelFrames` and `MFCCFrames`, whose steps are frames.

    Parameters
    ----------
    units : int, default=64
    step_size : int, optional
        Columns per step; the smallest number that gives at most 64 steps when None.
    dropout : float, default=0.2

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    network_ : VectorRecurrent
    history_ : list of dict
        The learning curve.

    Examples
    --------
    >>> X = np.r_[np.zeros((40, 2)), np.ones((40, 2))] + np.random.default_rng(0).normal(0, 0.1, (80, 2))
    >>> LSTM(units=8, learning_rate=0.01).fit(X, ["calm"] * 40 + ["sad"] * 40).predict([[1.0, 1.0]]).tolist()
    ['sad']
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"units": (32, 64), "dropout": (0.2, 0.5)}
    space: ClassVar[Space] = {
        **TableNetwork.space,
        "units": NumberRange(16, 128),
        "dropout": NumberRange(0.0, 0.6),
    }
    bidirectional: ClassVar[bool] = False
    units: int = 64
    step_size: int | None = None
    dropout: float = 0.2

    def check_network(self) -> None:
        """Raise `SettingsError` if a parameter of the network is outside its range."""
        check_recurrent(self.units, self.dropout, self.step_size)

    def build_network(self, n_inputs: int, n_classes: int) -> VectorRecurrent:
        """Build `VectorRecurrent`."""
        return recurrent(n_inputs, n_classes, self.step_size, self.units, self.bidirectional, self.dropout)


@dataclass(kw_only=True, eq=False, repr=False)
class BiLSTM(LSTM):
    """LSTM that reads the columns of a row in both directions (Schuster and Paliwal 1997).

    Parameters
    ----------
    units : int, default=64
        Units of each direction.

    Examples
    --------
    >>> X = np.r_[np.zeros((40, 2)), np.ones((40, 2))] + np.random.default_rng(0).normal(0, 0.1, (80, 2))
    >>> BiLSTM(units=8, learning_rate=0.01).fit(X, ["calm"] * 40 + ["sad"] * 40).predict([[0.0, 0.0]]).tolist()
    ['calm']
    """

    bidirectional: ClassVar[bool] = True
