"""Training of all networks, with skorch's loop."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn

from fusionser.cache import Cache
from fusionser.errors import SettingsError, TrainingError
from fusionser.memory import reused_memory
from fusionser.networks.batch_norm import has_batch_norm
from fusionser.networks.batches import Batches, Distortion
from fusionser.networks.concordance import ConcordanceLoss
from fusionser.networks.corpora import CorpusCrossEntropy, classes_of_corpora, shares_of_pairs
from fusionser.networks.device import choose_device
from fusionser.networks.inference import logits_of, prediction_batch, prepared
from fusionser.networks.layers import Network
from fusionser.networks.network_cache import History, checkpoint_path, keep_network, network_key, recall_network
from fusionser.networks.settings import OPTIMISERS, NetworkTraining
from fusionser.networks.soft_labels import weighted_by_label
from fusionser.temperature import best_temperature

__all__ = ["TrainingRows", "train_network"]

Built = TypeVar("Built", bound=Network)
LOWEST_RATE = 1e-7
LARGEST_NORM = 5.0
CHECKED = 16
"""Training rows that the scores of a trained network are checked with."""

SHORTEST_CYCLE = 4

LOSS_OF_NUMBERS = "1 - CCC"
"""Name of `ConcordanceLoss` in the key of a cached network."""


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """Training and validation rows.

    Parameters
    ----------
    inputs : ndarray of shape (n_rows, ...), float32
    targets : ndarray of shape (n_rows,), int64
        Class indices; or numbers to predict, shape (n_rows, n_targets), float32.
    groups : ndarray of shape (n_rows,), optional
        Group of each row; each epoch uses one row per group (see `Batches`).
    corpora : ndarray of shape (n_rows,), optional
        Corpus of each row, as a name or a number, for `by_corpus` of `NetworkTraining`.
    validation_inputs, validation_targets : ndarray, optional
        As `inputs` and `targets`.
    shares, validation_shares : ndarray of shape (n_rows, n_classes), float32, optional
        Share of each class in the votes for each row, to train and calibrate by instead of `targets`.
    """

    inputs: npt.NDArray[np.float32]
    targets: npt.NDArray[Any]
    groups: npt.NDArray[np.int64] | None = None
    corpora: npt.NDArray[Any] | None = None
    validation_inputs: npt.NDArray[np.float32] | None = None
    validation_targets: npt.NDArray[Any] | None = None
    shares: npt.NDArray[np.float32] | None = None
    validation_shares: npt.NDArray[np.float32] | None = None

    @property
    def numbers(self) -> bool:
        """Whether numbers are predicted, and not classes."""
        return self.targets.ndim == 2

    @property
    def has_validation(self) -> bool:
        """Whether there are validation rows."""
        return self.validation_targets is not None and len(self.validation_targets) > 0

    def corpus_indices(self) -> npt.NDArray[np.int64] | None:
        """Return the corpus of each row as an index from 0; None if there are fewer than two corpora."""
        if self.corpora is None:
            return None
        names, indices = np.unique(self.corpora, return_inverse=True)
        return indices.astype(np.int64) if len(names) > 1 else None


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

    On a CPU, the same arguments give the same weights. A network with the same `network_key` is loaded from the cache,
    and an interrupted training resumes from its last checkpoint.

    Parameters
    ----------
    build : callable
        Builds the network; its initial weights follow from `settings.random_state`.
    rows : TrainingRows
    classes : ndarray of shape (n_classes,)
        Labels; the targets are indices into them. Empty where numbers are predicted: the loss is then 1 - CCC, and the
        validation rows are scored by their CCC (see `NumbersCurve`).
    settings : NetworkTraining
    name : str
        Name in progress reports and errors.
    distortion : Distortion, optional

    Returns
    -------
    network
        On the CPU, with its temperature fitted to the validation rows (Guo, Pleiss, Sun and Weinberger 2017).
    history : list of dict
        One record per epoch: losses, validation UAR and accuracy, or CCC, learning rate, seconds.

    Raises
    ------
    TrainingError
        If the loss is not finite, or there are fewer than two training rows.
    SettingsError
        If a setting is outside its range, or the device does not exist.
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
        if settings.batch_size < 2 and has_batch_norm(network):
            raise SettingsError(
                f"batch_size is {settings.batch_size}; {name} has batch normalisation, which needs 2 or more"
            )
        if network.preparation is not None:
            network.preparation.learn(rows.inputs)
        weight = None
        if settings.class_weight is not None:
            weight = _class_weight(settings.class_weight, rows.targets, classes)
        corpora = rows.corpus_indices() if settings.by_corpus else None
        described = {**_plain(settings), "device": device.type}
        described["class_weight"] = [] if weight is None else weight.tolist()
        if rows.numbers:
            described["loss"] = LOSS_OF_NUMBERS
        validation = [rows.validation_inputs, rows.validation_targets]
        shares = [rows.shares, rows.validation_shares]
        arrays: list[Any] = [rows.inputs, rows.targets, rows.groups, corpora, *validation, *shares]
        cache = Cache.of(settings.cache)
        kept = None if cache is None else cache.networks / network_key(network, described, arrays, distortion)
        history = recall_network(network, kept)
        if history is None:
            history = _fit(
                network, rows, corpora, classes, settings, name, distortion, device, weight, checkpoint_path(kept)
            )
            keep_network(network, kept, history)
    network = network.cpu().eval()
    _check_finite(network, rows.inputs, name, settings)
    return network, history


def _check_finite(network: Network, inputs: npt.NDArray[Any], name: str, settings: NetworkTraining) -> None:
    """Raise `TrainingError` if the network has diverged although its losses were finite."""
    if not np.isfinite(logits_of(network, inputs[:CHECKED], "cpu")).all():
        raise TrainingError(
            f"the training of {name} diverged: its scores are NaN or infinite; lower the learning rate "
            f"({settings.learning_rate:g})"
        )


def _plain(settings: NetworkTraining) -> dict[str, Any]:
    names = set(NetworkTraining.__dataclass_fields__) - {"device", "cache"}
    return {name: getattr(settings, name) for name in sorted(names)}


def _class_weight(
    class_weight: str | dict[Any, float], targets: npt.NDArray[np.int64], classes: npt.NDArray[Any]
) -> Tensor:
    seen = np.unique(targets)
    weight = torch.ones(len(classes))
    balanced = compute_class_weight(class_weight, classes=classes[seen], y=classes[targets])
    weight[torch.from_numpy(seen)] = torch.as_tensor(balanced, dtype=torch.float32)
    return weight


def _fit(
    network: Network,
    rows: TrainingRows,
    corpora: npt.NDArray[np.int64] | None,
    classes: npt.NDArray[Any],
    settings: NetworkTraining,
    name: str,
    distortion: Distortion | None,
    device: torch.device,
    weight: Tensor | None,
    checkpoint: Path | None,
) -> History:
    # skorch is slow to import and not needed for predictions.
    from skorch.helper import predefined_split

    from fusionser.networks.checkpoints import Checkpoints
    from fusionser.networks.loop import Net

    seed, n_classes = settings.random_state or 0, len(classes)
    rng = np.random.default_rng(seed)
    criterion, by_corpus = _criterion(settings, rows, corpora, classes, weight)
    weights = by_corpus.get("corpus_weight", weight)
    targets, n_targets = (rows.targets, 0) if rows.numbers else _targets(rows, corpora, n_classes, weights)
    training = _dataset(network, rows.inputs, targets, device)
    validation = None
    if rows.validation_inputs is not None and rows.validation_targets is not None and rows.has_validation:
        validation = _dataset(network, rows.validation_inputs, rows.validation_targets, device)
    options: dict[str, Any] = {"n_classes": n_targets, "rng": rng, "groups": rows.groups, "distortion": distortion}
    options.update(corpora=corpora, seed=seed)
    kept = [] if checkpoint is None else [("checkpoints", Checkpoints(checkpoint, rng))]
    steps = len(Batches(training, settings.batch_size, **options))
    callbacks = [*_callbacks(network, settings, name, n_classes, steps, rows), *kept]
    net = Net(
        network,
        criterion,
        lr=settings.learning_rate,
        max_epochs=settings.epochs,
        batch_size=settings.batch_size,
        iterator_train=Batches,
        iterator_valid=Batches,
        iterator_valid__batch_size=prediction_batch(training.X),
        train_split=None if validation is None else predefined_split(validation),
        callbacks=callbacks,
        device=device,
        verbose=0,
        **{f"criterion__{key}": value for key, value in by_corpus.items()},
        **_optimiser(network, settings),
        **{f"iterator_train__{key}": value for key, value in options.items()},
    )
    net.half = settings.precision == "bfloat16"
    with reused_memory():
        net.fit(training, None)
    if net.stopped:
        raise KeyboardInterrupt
    if validation is not None and not rows.numbers:
        _calibrate(network, validation, rows.validation_shares)
    return [_record(epoch) for epoch in net.history]


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


def _targets(
    rows: TrainingRows, corpora: npt.NDArray[np.int64] | None, n_classes: int, weights: Tensor | None
) -> tuple[npt.NDArray[Any], int]:
    """Return the target of each training row, or its shares, and the number of classes, or pairs with corpora."""
    targets, shares, n_targets = rows.targets, rows.shares, n_classes
    if corpora is not None:
        if shares is not None:
            shares = shares_of_pairs(shares, corpora, classes_of_corpora(targets, corpora, n_classes))
        targets, n_targets = corpora * n_classes + targets, (int(corpora.max()) + 1) * n_classes
    if shares is None:
        return targets, n_targets
    return shares if weights is None else weighted_by_label(shares, targets, weights.numpy().ravel()), n_targets


def _criterion(
    settings: NetworkTraining,
    rows: TrainingRows,
    corpora: npt.NDArray[np.int64] | None,
    classes: npt.NDArray[Any],
    weight: Tensor | None,
) -> tuple[type[nn.Module], dict[str, Any]]:
    """Return the loss, and its parameters."""
    if rows.numbers:
        return ConcordanceLoss, {}
    shared = {"weight": weight, "label_smoothing": settings.label_smoothing}
    if corpora is None:
        return nn.CrossEntropyLoss, shared
    targets = rows.targets
    present = torch.from_numpy(classes_of_corpora(targets, corpora, len(classes)))
    given = settings.class_weight
    if given is None:
        return CorpusCrossEntropy, {**shared, "present": present}
    weights = [
        _class_weight(given, targets[corpora == corpus] if given == "balanced" else targets, classes)
        for corpus in range(len(present))
    ]
    return CorpusCrossEntropy, {**shared, "present": present, "corpus_weight": torch.stack(weights)}


def _dataset(
    network: Network, inputs: npt.NDArray[np.float32], targets: npt.NDArray[np.int64], device: torch.device
) -> Any:
    from skorch.dataset import Dataset

    return Dataset(prepared(network, inputs, device), torch.from_numpy(targets).to(device))


def _callbacks(
    network: Network, settings: NetworkTraining, name: str, n_classes: int, steps: int, rows: TrainingRows
) -> list[Any]:
    from skorch.callbacks import LRScheduler

    from fusionser.networks.loop import ClipGradients, Curve, EarlyStop, NumbersCurve

    validation = rows.has_validation
    score = "validation_ccc" if rows.numbers else "validation_uar"
    # Not the validation loss: for unseen speakers it rises while their UAR still improves.
    monitor, mode = (score, "max") if validation else ("train_loss", "min")
    if settings.schedule == "one-cycle":
        # With fewer steps, torch cannot both raise and lower the learning rate.
        total = max(settings.epochs * steps, SHORTEST_CYCLE)
        rate = LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR,
            step_every="batch",
            # The rest of the parameters are the last group.
            max_lr=[*(group["lr"] for _, group in _rates(network, settings)), settings.learning_rate],
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
        ("curve", NumbersCurve(name, settings.epochs) if rows.numbers else Curve(name, n_classes, settings.epochs)),
        ("clip", ClipGradients(LARGEST_NORM)),
        ("rate", rate),
    ]
    if validation and settings.patience is not None:
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
        "validation_ccc": "validation_ccc",
        "learning_rate": "learning_rate",
        "dur": "seconds",
    }
    return {new: float(epoch[old]) for old, new in names.items() if old in epoch}


def _calibrate(network: Network, validation: Any, shares: npt.NDArray[np.float32] | None) -> None:
    """Set the temperature that minimises the cross-entropy on the validation rows, with their shares if given."""
    network.eval()
    with torch.no_grad():
        batches = torch.split(validation.X, prediction_batch(validation.X))
        logits = torch.cat([network(batch) for batch in batches]).cpu().double()
    targets = validation.y.cpu().numpy() if shares is None else shares
    network.temperature.fill_(best_temperature(logits.numpy(), targets))
