"""Training parameters shared by all estimators with a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from fusionser.cache import CacheChoice
from fusionser.checks import check_truth, check_whole
from fusionser.docstrings import DocumentedParameters
from fusionser.errors import SettingsError, unknown_name
from fusionser.execution import current_executor
from fusionser.names import PRECISIONS
from fusionser.networks.device import choose_device
from fusionser.networks.validation import VALIDATE_BY
from fusionser.search_space import NumberRange, Space

__all__ = ["OPTIMISERS", "NetworkTraining"]

OPTIMISERS: Mapping[str, tuple[str, Mapping[str, float]]] = MappingProxyType(
    {"adam": ("AdamW", {}), "sgd": ("SGD", {"momentum": 0.9})}
)
"""Name to class in ``torch.optim`` and its fixed parameters."""

SCHEDULES = ("plateau", "one-cycle")


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkTraining(DocumentedParameters, BaseEstimator):
    """Training parameters shared by all estimators with a network.

    Parameters
    ----------
    epochs : int, default=100
        Maximum number of epochs.
    batch_size : int, default=64
    optimiser : {"adam", "sgd"}, default="adam"
        "adam" is Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019); "sgd" is
        stochastic gradient descent with a momentum of 0.9.
    learning_rate : float, default=1e-3
    weight_decay : float, default=0.0
    schedule : {"plateau", "one-cycle"}, default="plateau"
        "plateau" halves the learning rate, down to 1e-7, when the validation UAR, or mean CCC of numbers (without
        validation rows, the training loss) has not improved for `plateau` epochs; "one-cycle" raises it for a quarter
        of all steps and then lowers it to almost zero (Smith 2018).
    plateau : int, default=6
        Epochs without improvement after which the schedule "plateau" halves the learning rate. Epochs before the
        validation UAR, or mean CCC, is better than that of a single answer do not count, here and for `patience`.
    patience : int, default=15
        Stop when the validation UAR, or mean CCC, has not improved for this many epochs, and restore the best epoch;
        None trains all epochs.
    validation : float, default=0.2
        Share of the training speakers held out for validation (see `hold_out`), 0 to 0.5. With 0, all rows are trained
        on, and only the training loss is monitored.
    validate_by : {"speakers", "sources"}, default="speakers"
        Hold out whole speakers, or single clips with their copies (see `hold_out`).
    label_smoothing : float, default=0.0
        Has no effect where numbers are predicted.
    class_weight : "balanced" or dict of label to float, optional
        Weight of each class in the loss; "balanced" is the inverse of the class's share.
        For classes only, as `by_corpus`.
    by_corpus : bool, default=False
        If the training rows come from several corpora (column ``corpus``), show all corpora equally often (see
        `CorpusTurns`), and let the loss of a row cover only the classes that the training rows of its corpus have (see
        `CorpusCrossEntropy`), so that a corpus does not make the classes that it lacks less probable. The class weights
        "balanced" are then those within each corpus. Validation rows, calibration and predictions cover all classes.
        Has no effect with one corpus, or if the corpora are unknown.
    soft_labels : bool, default=False
        Train against the shares of the votes of several raters (column ``votes_of_raters``, see `shares_of`) instead of
        the label of each row: the loss is the mean of the cross-entropies of all classes, weighted by their shares.
        With `class_weight`, a row has the weight of its label, as if it were repeated; `label_smoothing` mixes the
        shares with equal ones, which have the weights of their classes. Class weights "balanced", balancing and the
        validation UAR go by the labels; the temperature of the probabilities goes by the shares of the validation rows.
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16" computes convolutions, and the dense layers of the perceptron and of the recurrent networks, in
        bfloat16 while training. On processors that support it, this is about twice as fast as float32; on others, it
        is slower. Weights, all other computations and predictions stay in float32.
    device : str, default="auto"
        Name of a device (see `choose_device`).
    random_state : int, default=0
    cache : Cache or bool, default=True
        Cache of trained networks, so that no training runs twice; True is the default cache, False is none.
    """

    space: ClassVar[Space] = {
        "learning_rate": NumberRange(3e-4, 1e-2, log=True),
        "weight_decay": NumberRange(1e-5, 1e-1, log=True),
    }
    """Ranges and choices by parameter that `fusionser.tuning` tries."""

    epochs: int = 100
    batch_size: int = 64
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "plateau"
    plateau: int = 6
    patience: int | None = 15
    validation: float = 0.2
    validate_by: str = "speakers"
    label_smoothing: float = 0.0
    class_weight: str | dict[Any, float] | None = None
    by_corpus: bool = False
    soft_labels: bool = False
    precision: str = "float32"
    device: str = "auto"
    random_state: int | None = 0
    cache: CacheChoice = True

    def check_training(self) -> None:
        """Raise `SettingsError` if a parameter is outside its range."""
        limits: dict[str, tuple[float, float]] = {
            "epochs": (1, 100000),
            "plateau": (1, 100000),
            "batch_size": (1, 1 << 20),
            "learning_rate": (1e-12, 1e6),
            "weight_decay": (0, 10),
            "validation": (0, 0.5),
            "label_smoothing": (0, 0.9),
        }
        for name in ("epochs", "plateau", "batch_size", *(() if self.patience is None else ("patience",))):
            check_whole(name, getattr(self, name))
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
                raise SettingsError(f"{name} is {value!r}; expected {low:g} to {high:g}")
        check_truth("by_corpus", self.by_corpus)
        check_truth("soft_labels", self.soft_labels)
        if self.optimiser not in OPTIMISERS:
            raise SettingsError(f"optimiser is {self.optimiser!r}; expected one of {', '.join(OPTIMISERS)}")
        if self.schedule not in SCHEDULES:
            raise SettingsError(f"schedule is {self.schedule!r}; expected one of {', '.join(SCHEDULES)}")
        if self.validate_by not in VALIDATE_BY:
            raise unknown_name("unit of validation", self.validate_by, VALIDATE_BY)
        if self.precision not in PRECISIONS:
            raise SettingsError(f"precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}")
        if self.patience is not None and self.patience < 1:
            raise SettingsError(f"patience is {self.patience}; expected 1 epoch or more, or None to train all epochs")
        if current_executor() is None:
            # Workers of a cluster may have a device that this machine lacks.
            choose_device(self.device)

    def check_for_numbers(self) -> None:
        """Raise `SettingsError` if a parameter is set that needs classes, where numbers are predicted.

        A network's own default of `label_smoothing` has no effect there.
        """
        own = (0.0, getattr(type(self), "label_smoothing", 0.0))
        allowed = {"class_weight": (None,), "label_smoothing": own, "by_corpus": (False,), "soft_labels": (False,)}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise SettingsError(
                    f"{name} is {getattr(self, name)!r}; it needs classes, so expected {values[-1]!r} for numbers"
                )
