"""Training of all networks, from rows to a network with calibrated probabilities."""

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fusionser.cache import Cache, CacheChoice
from fusionser.checks import check_processes
from fusionser.errors import SettingsError, TrainingError
from fusionser.networks.batch_norm import has_batch_norm
from fusionser.networks.batches import Distortion
from fusionser.networks.device import choose_device
from fusionser.networks.fitting import Training, fit_network
from fusionser.networks.inference import logits_of
from fusionser.networks.inputs import DiskInputs, Inputs, batch_of, first_of, parts_of, prepared, prepared_on_disk
from fusionser.networks.layers import Network
from fusionser.networks.network_cache import History, checkpoint_path, keep_network, network_key, recall_network
from fusionser.networks.objective import class_weights, loss_of, targets_of
from fusionser.networks.ranks import check_parallel, in_processes
from fusionser.networks.rows import TrainingRows
from fusionser.networks.settings import NetworkTraining
from fusionser.shards import ArrayList
from fusionser.temperature import best_temperature

__all__ = ["train_network"]

Built = TypeVar("Built", bound=Network)
CHECKED = 16
"""Training rows that the scores of a trained network are checked with."""

LOSS_OF_NUMBERS = "1 - CCC"
"""Name of `ConcordanceLoss` in the key of a cached network."""


def train_network(
    build: Callable[[], Built],
    rows: TrainingRows,
    classes: npt.NDArray[Any],
    settings: NetworkTraining,
    *,
    name: str,
    distortion: Distortion | None = None,
    processes: int = 1,
) -> tuple[Built, History]:
    """Build a network and train it.

    On a CPU, the same arguments give the same weights. A network with the same `network_key` is loaded from the cache,
    and an interrupted training resumes from its last checkpoint.

    Several processes compute what one does, but add in another order. These differences grow from step to step, so
    their number is part of the key.

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
    processes : int, default=1
        Number of processes that train together, this one among them (see `fusionser.networks.data_parallel`).

    Returns
    -------
    network
        On the CPU, with its temperature fitted to the validation rows (Guo, Pleiss, Sun and Weinberger 2017).
    history : list of dict
        One record per epoch: losses, validation UAR and accuracy, or CCC, learning rate, seconds.

    Raises
    ------
    TrainingError
        If the loss is not finite, there are fewer than two training rows, or a process is ended from outside.
    SettingsError
        If a setting is outside its range, the device does not exist, or it cannot train in that many processes.
    """
    settings.check_training()
    check_processes(processes)
    if len(rows.inputs) < 2:
        raise TrainingError(f"{name}: {len(rows.inputs)} rows are left to learn from; expected two or more")
    device = choose_device(settings.device)
    check_parallel(processes, device, settings.batch_size)
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
            network.preparation.learn(parts_of(rows.inputs))
        weight = None
        if settings.class_weight is not None:
            weight = class_weights(settings.class_weight, rows.targets, classes)
        corpora = rows.corpus_indices() if settings.by_corpus else None
        described = {**_plain(settings), "device": device.type}
        described["class_weight"] = [] if weight is None else weight.tolist()
        if rows.numbers:
            described["loss"] = LOSS_OF_NUMBERS
        if processes > 1:
            described["processes"] = processes
        validation = [rows.validation_inputs, rows.validation_targets]
        shares = [rows.shares, rows.validation_shares]
        arrays: list[Any] = [rows.inputs, rows.targets, rows.groups, corpora, *validation, *shares]
        cache = Cache.of(settings.cache)
        kept = None if cache is None else cache.networks / network_key(network, described, arrays, distortion)
        history = recall_network(network, kept)
        if history is None:
            training = _training(network, rows, corpora, classes, settings, name, distortion, weight)
            history = _trained(training, rows, device, settings.cache, checkpoint_path(kept), processes)
            keep_network(network, kept, history)
    network = network.cpu().eval()
    _check_finite(network, rows.inputs, name, settings)
    return network, history


def _check_finite(network: Network, inputs: Inputs, name: str, settings: NetworkTraining) -> None:
    """Raise `TrainingError` if the network has diverged although its losses were finite."""
    if not np.isfinite(logits_of(network, first_of(inputs, CHECKED), "cpu")).all():
        raise TrainingError(
            f"the training of {name} diverged: its scores are NaN or infinite; lower the learning rate "
            f"({settings.learning_rate:g})"
        )


def _plain(settings: NetworkTraining) -> dict[str, Any]:
    names = {parameter.name for parameter in fields(NetworkTraining)} - {"device", "cache"}
    return {name: getattr(settings, name) for name in sorted(names)}


def _training(
    network: Network,
    rows: TrainingRows,
    corpora: npt.NDArray[np.int64] | None,
    classes: npt.NDArray[Any],
    settings: NetworkTraining,
    name: str,
    distortion: Distortion | None,
    weight: Tensor | None,
) -> Training:
    """Return what is trained, and how."""
    n_classes = len(classes)
    criterion, loss_options = loss_of(settings, rows, corpora, classes, weight)
    weights = loss_options.get("corpus_weight", weight)
    targets, n_targets = (rows.targets, 0) if rows.numbers else targets_of(rows, corpora, n_classes, weights)
    return Training(
        network=network,
        targets=targets,
        validation_targets=rows.validation_targets if rows.has_validation else None,
        criterion=criterion,
        loss_options=loss_options,
        batch_options={
            "n_classes": n_targets,
            "groups": rows.groups,
            "corpora": corpora,
            "seed": settings.random_state or 0,
        },
        distortion=distortion,
        n_classes=n_classes,
        settings=NetworkTraining(**_plain(settings)),
        name=name,
    )


def _trained(
    training: Training,
    rows: TrainingRows,
    device: torch.device,
    cache: CacheChoice,
    checkpoint: Path | None,
    processes: int,
) -> History:
    """Train a network, and calibrate its probabilities."""
    from fusionser.networks.checkpoints import read_checkpoint

    network, validation = training.network, None
    # Several processes read the same files.
    ready = partial(_ready, network, device=device, cache=cache, on_disk=processes > 1)
    if rows.validation_inputs is not None and training.validation_targets is not None:
        validation = ready(rows.validation_inputs)
    resumed = None if checkpoint is None else read_checkpoint(checkpoint)
    fit = partial(fit_network, training, ready(rows.inputs), validation, checkpoint=checkpoint, resumed=resumed)
    if processes == 1:
        history: History = fit(device)
    else:
        seed = training.settings.random_state or 0
        history = in_processes(fit, processes, device, seed=seed, name=training.name)
    if validation is not None and not rows.numbers:
        _calibrate(network, validation, rows)
    return history


def _ready(
    network: Network, inputs: Inputs, *, device: torch.device, cache: CacheChoice, on_disk: bool
) -> Tensor | DiskInputs:
    """Return inputs, prepared: on disk if they come from there, or if that is asked for."""
    if on_disk or isinstance(inputs, ArrayList):
        return prepared_on_disk(network, inputs, device, cache)
    return prepared(network, inputs, device)


def _calibrate(network: Network, inputs: Tensor | DiskInputs, rows: TrainingRows) -> None:
    """Set the temperature that minimises the cross-entropy on the validation rows, with their shares if given."""
    network.eval()
    place, size = network.temperature.device, batch_of(inputs[:1].numel())
    with torch.no_grad():
        batches = (inputs[first : first + size] for first in range(0, len(inputs), size))
        logits = torch.cat([network(batch.to(place)) for batch in batches]).cpu().double()
    targets = rows.validation_targets if rows.validation_shares is None else rows.validation_shares
    network.temperature.fill_(best_temperature(logits.numpy(), np.asarray(targets)))
