"""One training with skorch's loop: the loss, the optimiser, the schedule, and the learning curve."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fusionser.networks.batches import Batches, Distortion
from fusionser.networks.data_parallel import ParallelNetwork, RowShare
from fusionser.networks.inputs import DiskInputs, batch_of
from fusionser.networks.layers import Network
from fusionser.networks.network_cache import History
from fusionser.networks.settings import OPTIMISERS, NetworkTraining

__all__ = ["Training", "fit_network"]

Checkpoint = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors and plain values of a training that was interrupted."""

LOWEST_RATE = 1e-7
LARGEST_NORM = 5.0
SHORTEST_CYCLE = 4


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is trained, and how.

    Parameters
    ----------
    network : Network
    targets : ndarray of shape (n_rows, ...)
        Class indices, shares of classes or of pairs of corpus and class, or numbers.
    validation_targets : ndarray of shape (n_rows, ...), optional
        Class indices, or numbers.
    criterion : type of Module
        The loss.
    loss_options : mapping
        Its parameters.
    batch_options : mapping
        Parameters of `Batches` for the training rows, but for `rng` and `distortion`.
    distortion : Distortion, optional
    n_classes : int
        0 where numbers are predicted.
    settings : NetworkTraining
    name : str
        Name in progress reports and errors.
    """

    network: Network
    targets: npt.NDArray[Any]
    validation_targets: npt.NDArray[Any] | None
    criterion: type[nn.Module]
    loss_options: Mapping[str, Any]
    batch_options: Mapping[str, Any]
    distortion: Distortion | None
    n_classes: int
    settings: NetworkTraining
    name: str

    @property
    def numbers(self) -> bool:
        """Whether numbers are predicted, and not classes."""
        return self.n_classes == 0


def fit_network(
    training: Training,
    inputs: Tensor | DiskInputs,
    validation_inputs: Tensor | DiskInputs | None,
    device: torch.device,
    share: RowShare | None = None,
    *,
    checkpoint: Path | None = None,
    resumed: Checkpoint | None = None,
) -> History:
    """Train a network on a device, and leave it there; return its learning curve.

    Parameters
    ----------
    training : Training
    inputs, validation_inputs : Tensor or DiskInputs
        Prepared inputs.
    device : torch.device
    share : RowShare, optional
        The rows of each batch that are this process's, if it trains together with others.
    checkpoint : Path, optional
        Where the state of the training is kept. Of several processes, the first one keeps it.
    resumed : tuple, optional
        The state that the training goes on from, see `read_checkpoint`.

    Raises
    ------
    TrainingError
        If the loss is not finite.
    KeyboardInterrupt
        If the training was stopped by Ctrl-C.
    """
    # skorch is slow to import and not needed for predictions.
    from skorch.helper import predefined_split

    from fusionser.memory import reused_memory
    from fusionser.networks.checkpoints import Checkpoints
    from fusionser.networks.loop import Net

    settings, network = training.settings, training.network
    parallel = None if share is None else ParallelNetwork(network, share, device)
    rng = np.random.default_rng(settings.random_state or 0)
    dataset, validation = _dataset(inputs, training.targets, device), None
    if validation_inputs is not None and training.validation_targets is not None:
        validation = _dataset(validation_inputs, training.validation_targets, device)
    options = {**training.batch_options, "rng": rng, "distortion": training.distortion}
    keeps = checkpoint if share is None or share.rank == 0 else None
    steps = len(Batches(dataset, settings.batch_size, **options))
    callbacks = _callbacks(training, steps, validation=validation is not None)
    net = Net(
        network if parallel is None else parallel.network,
        training.criterion,
        lr=settings.learning_rate,
        max_epochs=settings.epochs,
        batch_size=settings.batch_size,
        iterator_train=Batches,
        iterator_valid=Batches,
        iterator_valid__batch_size=batch_of(dataset.X[:1].numel()),
        train_split=None if validation is None else predefined_split(validation),
        callbacks=[*callbacks, ("checkpoints", Checkpoints(keeps, rng, resumed))],
        device=device,
        verbose=0,
        **{f"criterion__{key}": value for key, value in training.loss_options.items()},
        **_optimiser(network, settings),
        **{f"iterator_train__{key}": value for key, value in options.items()},
    )
    net.half, net.parallel = settings.precision == "bfloat16", parallel
    with reused_memory():
        net.fit(dataset, None)
    if net.stopped:
        raise KeyboardInterrupt
    if parallel is not None:
        network.to(device).load_state_dict(parallel.network.state_dict())
    return [_record(epoch) for epoch in net.history]


def _dataset(inputs: Tensor | DiskInputs, targets: npt.NDArray[Any], device: torch.device) -> Any:
    from skorch.dataset import Dataset

    placed = inputs.on(device) if isinstance(inputs, DiskInputs) else inputs
    return Dataset(placed, torch.from_numpy(targets).to(device))


def _rates(network: Network, settings: NetworkTraining) -> list[tuple[str, dict[str, float]]]:
    """Return the groups of parameters with learning rates of their own."""
    return [(names, {"lr": settings.learning_rate * factor}) for names, factor in network.learning_rates()]


def _optimiser(network: Network, settings: NetworkTraining) -> dict[str, Any]:
    """Return the optimiser and its parameters, as skorch takes them."""
    name, more = OPTIMISERS[settings.optimiser]
    return {
        "optimizer": getattr(torch.optim, name),
        "optimizer__weight_decay": settings.weight_decay,
        "optimizer__param_groups": _rates(network, settings),
        **{f"optimizer__{key}": value for key, value in more.items()},
    }


def _callbacks(training: Training, steps: int, *, validation: bool) -> list[Any]:
    from skorch.callbacks import LRScheduler

    from fusionser.networks.loop import Begun, ClipGradients, Curve, EarlyStop, NumbersCurve, Plateau

    settings, name = training.settings, training.name
    score = "validation_ccc" if training.numbers else "validation_uar"
    # Not the validation loss: for unseen speakers it rises while their UAR still improves.
    monitor, mode = (score, "max") if validation else ("train_loss", "min")
    begun = Begun(score, _chance(training)) if validation else None
    if settings.schedule == "one-cycle":
        # With fewer steps, torch cannot both raise and lower the learning rate.
        total = max(settings.epochs * steps, SHORTEST_CYCLE)
        rate = LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR,
            step_every="batch",
            # The rest of the parameters are the last group.
            max_lr=[*(group["lr"] for _, group in _rates(training.network, settings)), settings.learning_rate],
            total_steps=total,
            pct_start=max(0.25, 2 / total),
        )
    else:
        rate = (LRScheduler if begun is None else Plateau)(
            torch.optim.lr_scheduler.ReduceLROnPlateau,
            monitor=monitor,
            mode=mode,
            factor=0.5,
            patience=settings.plateau,
            min_lr=LOWEST_RATE,
        )
        if begun is not None:
            rate.begun_ = begun
    epochs = settings.epochs
    curve = NumbersCurve(name, epochs) if training.numbers else Curve(name, training.n_classes, epochs)
    callbacks = [
        ("curve", curve),
        ("clip", ClipGradients(LARGEST_NORM)),
        ("rate", rate),
    ]
    if begun is not None and settings.patience is not None:
        stop = EarlyStop(
            monitor=monitor,
            lower_is_better=mode == "min",
            patience=settings.patience,
            load_best=True,
            sink=lambda text: None,
        )
        stop.begun_ = begun
        callbacks.append(("stop", stop))
    return callbacks


def _chance(training: Training) -> float:
    """Return the UAR, or mean CCC, of a network that gives all validation rows the same answer."""
    targets = training.validation_targets
    return 0.0 if training.numbers or targets is None else 1 / len(np.unique(targets))


def _record(epoch: dict[str, Any]) -> dict[str, float]:
    names = {
        "epoch": "epoch",
        "train_loss": "training_loss",
        "valid_loss": "validation_loss",
        "validation_uar": "validation_uar",
        "validation_accuracy": "validation_accuracy",
        "validation_ccc": "validation_ccc",
        "learning_rate": "learning_rate",
        "dur": "seconds",
    }
    return {new: float(epoch[old]) for old, new in names.items() if old in epoch}
