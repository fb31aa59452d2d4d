"""What the outputs of a network are compared with, and by which loss."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn

from fusionser.networks.concordance import ConcordanceLoss
from fusionser.networks.corpora import CorpusCrossEntropy, classes_of_corpora, shares_of_pairs
from fusionser.networks.rows import TrainingRows
from fusionser.networks.settings import NetworkTraining
from fusionser.networks.soft_labels import weighted_by_label

__all__ = ["class_weights", "loss_of", "targets_of"]


def class_weights(
    class_weight: str | dict[Any, float], targets: npt.NDArray[np.int64], classes: npt.NDArray[Any]
) -> Tensor:
    """Return the weight of each class in the loss; 1 for classes without rows."""
    seen = np.unique(targets)
    weight = torch.ones(len(classes))
    balanced = compute_class_weight(class_weight, classes=classes[seen], y=classes[targets])
    weight[torch.from_numpy(seen)] = torch.as_tensor(balanced, dtype=torch.float32)
    return weight


def targets_of(
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


def loss_of(
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
        class_weights(given, targets[corpora == corpus] if given == "balanced" else targets, classes)
        for corpus in range(len(present))
    ]
    return CorpusCrossEntropy, {**shared, "present": present, "corpus_weight": torch.stack(weights)}
