"""What the network of a deep extractor learns: classes, or numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from fusionser.errors import SettingsError
from fusionser.features.learned import labels_of
from fusionser.networks.settings import NetworkTraining
from fusionser.networks.weights import metadata_of
from fusionser.target_scales import TargetScales

__all__ = ["LearnsTargets", "spread"]


@dataclass(kw_only=True, eq=False, repr=False)
class LearnsTargets(NetworkTraining):
    """A network that learns the classes of labels, or numbers if these have two dimensions.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Empty where numbers are predicted.
    scales_ : TargetScales or None
        Means, deviations and ranges of the numbers in training; None where classes are predicted.
    """

    def _learn_targets(self, labels: npt.NDArray[Any]) -> None:
        """Note the classes of the labels, or the scales of the numbers."""
        self.classes_, self.scales_ = np.zeros(0), None
        if labels.ndim == 2:
            self.check_for_numbers()
            self.scales_ = TargetScales.of(labels)
            return
        self.classes_ = np.unique(labels)
        if len(self.classes_) < 2:
            raise SettingsError(
                f"got one class, '{self.classes_[0]}', in {len(labels)} rows; a network needs two classes or more"
            )

    def _encoded(self, labels: Any) -> npt.NDArray[Any]:
        """Return labels as the network takes them: the index of each class, or standardised numbers."""
        if self.scales_ is not None:
            numbers = labels_of(labels, len(labels))
            if numbers.shape[1:] != (len(self.scales_),):
                raise SettingsError(
                    f"the validation rows have labels of shape {numbers.shape}; expected {len(self.scales_)} numbers "
                    "for each"
                )
            return self.scales_.standard(numbers).astype(np.float32)
        if unknown := sorted(set(labels) - set(self.classes_)):
            raise SettingsError(f"the validation rows have the class '{unknown[0]}', but no training row has it")
        return np.searchsorted(self.classes_, np.asarray(labels)).astype(np.int64)

    def _fitted_scales(self) -> TargetScales | None:
        check_is_fitted(self, "network_")
        return self.scales_

    def _read_targets(self, content: bytes, classes: npt.NDArray[Any]) -> None:
        """Set the classes, or the scales of the numbers in a file, which may be a stranger's."""
        self.scales_ = TargetScales.read(metadata_of(content))
        if bool(len(classes)) == (self.scales_ is not None):
            raise ValueError("the network was trained for another task than that of the model")
        self.classes_ = classes


def spread(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return what held-out rows have in the same shares as the others: their classes; nothing for numbers."""
    return np.zeros(len(labels), dtype=np.intp) if labels.ndim == 2 else labels
