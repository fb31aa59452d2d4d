"""The only place where networks are trained; the loop is skorch's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn import functional

from fusionser.errors import SettingsError, TrainingError, unknown_name
from fusionser.networks.applying import prediction_batch, prepared
from fusionser.networks.batches import Batches, Distortion
from fusionser.networks.device import choose_device
from fusionser.networks.kept import History, checkpoint_path, keep_network, network_key, recall_network
from fusionser.networks.layers import Network
from fusionser.networks.memory import reused_memory
from fusionser.networks.validation import HELD_OUT

__all__ = ["NetworkTraining", "TrainingRows", "train_network"]

Built = TypeVar("Built", bound=Network)
LOWEST_RATE = 1e-7
OPTIMISERS: Mapping[str, tuple[type[torch.optim.Optimizer], dict[str, float]]] = MappingProxyType(
    {"adam": (torch.optim.AdamW, {}), "sgd": (torch.optim.SGD, {"momentum": 0.9})}
)
SCHEDULES = ("plateau", "one-cycle")
PRECISIONS = ("float32", "bfloat16")
LARGEST_NORM = 5.0
SHORTEST_CYCLE = 4


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkTraining(BaseEstimator):
    """The parameters of a training, which every estimator with a network has.

    Parameters
    ----------
    epochs : int, default=100
        At most.
    batch_size : int, default=64
    optimiser : {"adam", "sgd"}, default="adam"
        Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019), or stochastic gradient
        descent with a momentum of 0.9.
    learning_rate : float, default=1e-3
    weight_decay : float, default=0.0
    schedule : {"plateau", "one-cycle"}, default="plateau"
        "plateau" halves the rate, down to 1e-7, when the UAR of the watched rows (without any, the training loss)
        has not improved for `plateau` epochs; "one-cycle" raises it for a quarter of all steps and lowers it to
        nothing (Smith 2018).
    plateau : int, default=6
    patience : int or None, default=15
        Stop when the UAR of the watched rows has not improved for so many epochs, and go back to the best epoch;
        None never stops.
    validation : float, default=0.2
        Share of the training speakers that is held out to watch the training, see `hold_out`; 0 learns from all
        rows and watches the training loss alone.
    held_out : {"speakers", "sources"}, default="speakers"
        What that share is of, see `hold_out`.
    label_smoothing : float, default=0.0
    class_weight : "balanced", dict of label to float, or None
        "balanced" weighs each class by the inverse of its share.
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16" computes convolutions with 8 bits of precision while training, the weights being kept in 32: about
        twice as fast where the processor has such instructions. All else, and predictions, are in 32.
    device : str, default="auto"
        See `choose_device`.
    random_state : int, default=0
    """

    epochs: int = 100
    batch_size: int = 64
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "plateau"
    plateau: int = 6
    patience: int | None = 15
    validation: float = 0.2
    held_out: str = "speakers"
    label_smoothing: float = 0.0
    class_weight: str | dict[Any, float] | None = None
    precision: str = "float32"
    device: str = "auto"
    random_state: int | None = 0

    def check_training(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        limits: dict[str, tuple[float, float]] = {
            "epochs": (1, 100000),
            "plateau": (1, 100000),
            "batch_size": (1, 1 << 20),
            "learning_rate": (1e-12, 1e6),
            "weight_decay": (0, 10),
            "validation": (0, 0.5),
            "label_smoothing": (0, 0.9),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
                raise SettingsError(f"{name} is {value!r}; expected {low:g} to {high:g}")
        if self.optimiser not in OPTIMISERS:
            raise SettingsError(f"optimiser is {self.optimiser!r}; expected one of {', '.join(OPTIMISERS)}")
        if self.schedule not in SCHEDULES:
            raise SettingsError(f"schedule is {self.schedule!r}; expected one of {', '.join(SCHEDULES)}")
        if self.held_out not in HELD_OUT:
            raise unknown_name("kind of what is held out", self.held_out, HELD_OUT)
        if self.precision not in PRECISIONS:
            raise SettingsError(f"precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}")
        if self.patience is not None and self.patience < 1:
            raise SettingsError(f"patience is {self.patience}; expected 1 epoch or more, or None to train all epochs")
        choose_device(self.device)


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """Arrays to learn from, and those to watch.

    Parameters
    ----------
    inputs : ndarray of shape (n_rows, ...), float32
    targets : ndarray of shape (n_rows,), int64
        Indices of classes.
    groups : ndarray of shape (n_rows,), optional
        Rows that stand in for one another, see `Batches`.
    watched_inputs, watched_targets : ndarray, optional
    """

    inputs: npt.NDArray[np.float32]
    targets: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64] | None = None
    watched_inputs: npt.NDArray[np.float32] | None = None
    watched_targets: npt.NDArray[np.int64] | None = None

    @property
    def watched(self) -> bool:
        """Whether any rows were held out."""
        return self.watched_targets is not None and len(self.watched_targets) > 0


def train_network(
    build: Callable[[], Built],
    rows: TrainingRows,
    classes: npt.NDArray[Any],
    settings: NetworkTraining,
    *,
    name: str,
    distortion: Distortion | None = None,
) -> tuple[Built, History]:
    """Build a network and train it.

    The same arguments give the same weights on a CPU; a network that was trained before is recalled, see
    `network_key`, and a training that was killed goes on from the last epoch whose state was kept.

    Parameters
    ----------
    build : callable
        Builds the network, its weights drawn by `settings.random_state`.
    rows : TrainingRows
    classes : ndarray of shape (n_classes,)
        Labels, of which the targets are indices.
    settings : NetworkTraining
    name : str
        What progress and errors call it.
    distortion : Distortion, optional

    Returns
    -------
    network
        On the CPU, its temperature fitted to the watched rows (Guo, Pleiss, Sun and Weinberger 2017).
    history : list of dict
        One record an epoch: losses, UAR and accuracy of the watched rows, learning rate, seconds.

    Raises
    ------
    TrainingError
        When the loss is no number any more, or fewer than two rows are left to learn from.
    """
    settings.check_training()
    if len(rows.inputs) < 2:
        raise TrainingError(f"{name}: {len(rows.inputs)} rows are left to learn from; expected two or more")
    device = choose_device(settings.device)
    seed = settings.random_state or 0
    cuda = list(range(torch.cuda.device_count())) if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        network = build()
        if network.preparation is not None:
            network.preparation.learn(rows.inputs)
        weight = _class_weight(settings, rows.targets, classes)
        described = {**_plain(settings), "device": device.type, "distortion": str(distortion)}
        described["class_weight"] = [] if weight is None else weight.tolist()
        arrays: list[Any] = [rows.inputs, rows.targets, rows.groups, rows.watched_inputs, rows.watched_targets]
        key = network_key(network, described, arrays)
        history = recall_network(network, key)
        if history is None:
            history = _fit(
                network, rows, len(classes), settings, name, distortion, device, weight, checkpoint_path(key)
            )
            keep_network(network, key, history)
    return network.cpu().eval(), history


def _plain(settings: NetworkTraining) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in NetworkTraining.__dataclass_fields__ if name != "device"}


def _class_weight(
    settings: NetworkTraining, targets: npt.NDArray[np.int64], classes: npt.NDArray[Any]
) -> Tensor | None:
    if settings.class_weight is None:
        return None
    seen = np.unique(targets)
    weight = torch.ones(len(classes))
    found = compute_class_weight(settings.class_weight, classes=classes[seen], y=classes[targets])
    weight[torch.from_numpy(seen)] = torch.as_tensor(found, dtype=torch.float32)
    return weight


def _fit(
    network: Network,
    rows: TrainingRows,
    n_classes: int,
    settings: NetworkTraining,
    name: str,
    distortion: Distortion | None,
    device: torch.device,
    weight: Tensor | None,
    checkpoint: Path | None,
) -> History:
    # skorch takes a second to import, which a prediction need not wait for.
    from skorch.helper import predefined_split

    from fusionser.networks.checkpoints import Checkpoints
    from fusionser.networks.loop import Net

    rng = np.random.default_rng(settings.random_state or 0)
    training = _dataset(network, rows.inputs, rows.targets, device)
    watched = None
    if rows.watched_inputs is not None and rows.watched_targets is not None and rows.watched:
        watched = _dataset(network, rows.watched_inputs, rows.watched_targets, device)
    options: dict[str, Any] = {"n_classes": n_classes, "rng": rng, "groups": rows.groups, "distortion": distortion}
    steps = len(Batches(training, settings.batch_size, **options))
    kept = [] if checkpoint is None else [("checkpoints", Checkpoints(checkpoint, rng))]
    optimiser, more = OPTIMISERS[settings.optimiser]
    net = Net(
        network,
        nn.CrossEntropyLoss,
        criterion__weight=weight,
        criterion__label_smoothing=settings.label_smoothing,
        optimizer=optimiser,
        optimizer__weight_decay=settings.weight_decay,
        lr=settings.learning_rate,
        max_epochs=settings.epochs,
        batch_size=settings.batch_size,
        iterator_train=Batches,
        iterator_valid=Batches,
        iterator_valid__batch_size=prediction_batch(training.X),
        train_split=None if watched is None else predefined_split(watched),
        callbacks=[*_callbacks(settings, name, n_classes, steps, watched is not None), *kept],
        device=device,
        verbose=0,
        **{f"optimizer__{key}": value for key, value in more.items()},
        **{f"iterator_train__{key}": value for key, value in options.items()},
    )
    net.half = settings.precision == "bfloat16"
    with reused_memory():
        net.fit(training, None)
    if net.stopped:
        raise KeyboardInterrupt
    if watched is not None:
        _calibrate(network, watched)
    return [_record(epoch) for epoch in net.history]


def _dataset(
    network: Network, inputs: npt.NDArray[np.float32], targets: npt.NDArray[np.int64], device: torch.device
) -> Any:
    from skorch.dataset import Dataset

    return Dataset(prepared(network, inputs, device), torch.from_numpy(targets).to(device))


def _callbacks(settings: NetworkTraining, name: str, n_classes: int, steps: int, watched: bool) -> list[Any]:
    from skorch.callbacks import GradientNormClipping, LRScheduler

    from fusionser.networks.loop import Curve, EarlyStop

    # The loss of watched speakers climbs while they are still recognised better and better, so it is no guide.
    monitor, mode = ("validation_uar", "max") if watched else ("train_loss", "min")
    if settings.schedule == "one-cycle":
        # Fewer steps than these leave torch no room for a rise and a fall.
        total = max(settings.epochs * steps, SHORTEST_CYCLE)
        rate = LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR,
            step_every="batch",
            max_lr=settings.learning_rate,
            total_steps=total,
            pct_start=max(0.25, 2 / total),
        )
    else:
        rate = LRScheduler(
            torch.optim.lr_scheduler.ReduceLROnPlateau,
            monitor=monitor,
            mode=mode,
            factor=0.5,
            patience=settings.plateau,
            min_lr=LOWEST_RATE,
        )
    callbacks = [
        ("curve", Curve(name, n_classes, settings.epochs)),
        ("clip", GradientNormClipping(LARGEST_NORM)),
        ("rate", rate),
    ]
    if watched and settings.patience is not None:
        stop = EarlyStop(
            monitor=monitor,
            lower_is_better=mode == "min",
            patience=settings.patience,
            load_best=True,
            sink=lambda text: None,
        )
        callbacks.append(("stop", stop))
    return callbacks


def _record(epoch: dict[str, Any]) -> dict[str, float]:
    names = {
        "epoch": "epoch",
        "train_loss": "training_loss",
        "valid_loss": "validation_loss",
        "validation_uar": "validation_uar",
        "validation_accuracy": "validation_accuracy",
        "learning_rate": "learning_rate",
        "dur": "seconds",
    }
    return {new: float(epoch[old]) for old, new in names.items() if old in epoch}


def _calibrate(network: Network, watched: Any) -> None:
    """Divide the logits by the number under which the watched rows are least surprising."""
    network.eval()
    with torch.no_grad():
        logits = (
            torch.cat([network(batch) for batch in torch.split(watched.X, prediction_batch(watched.X))]).cpu().double()
        )
    truth = watched.y.cpu()

    def surprise(exponent: float) -> float:
        return float(functional.cross_entropy(logits / float(np.exp(exponent)), truth))

    found = minimize_scalar(surprise, bounds=(-2.0, 2.0), method="bounded")
    network.temperature.fill_(float(np.exp(found.x)))
