"""skorch's training loop and its callbacks: learning curve, early stopping, gradient clipping, divergence, Ctrl-C."""

from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch.nn.utils import clip_grad_norm_

from fusionser.agreement import mean_concordance
from fusionser.errors import TrainingError
from fusionser.networks.data_parallel import ParallelNetwork
from fusionser.networks.progress import report_epoch

__all__ = ["Begun", "ClipGradients", "Curve", "EarlyStop", "Net", "NumbersCurve", "Plateau"]

LEAST_GAIN = 1e-6
"""What a score must be above that of one answer, which rounding changes by less."""


class _Enough(KeyboardInterrupt):
    """Raised by early stopping, where skorch raises the plain KeyboardInterrupt that Ctrl-C also raises."""


class Begun:
    """When a network has begun to learn: in some epoch, the score of the validation rows was above that of one answer.

    Before, the score stays the same from epoch to epoch, although the loss falls: with few rows, an epoch is a few
    steps, and LSTMs, for example, need dozens of these. So nothing that waits for a better score counts such epochs.

    Parameters
    ----------
    score : str
        Name of the score in the history.
    chance : float
        Its value if all validation rows get the same answer.
    """

    def __init__(self, score: str, chance: float) -> None:
        self.score, self.chance = score, chance

    def __call__(self, net: Any) -> bool:
        """Return whether a network has begun to learn."""
        return any(value > self.chance + LEAST_GAIN for value in net.history[:, self.score])


class Plateau(LRScheduler):
    """skorch's schedule by a monitored value, from the epoch on in which learning has begun."""

    begun_: Begun

    def on_epoch_end(self, net: Any, **more: Any) -> None:
        """Lower the learning rate when the monitored value has not improved for some epochs."""
        if self.begun_(net):
            super().on_epoch_end(net, **more)


class EarlyStop(EarlyStopping):
    """skorch's early stopping, from the epoch on in which learning has begun, and distinguishable from Ctrl-C."""

    begun_: Begun

    def on_epoch_end(self, net: Any, **more: Any) -> None:
        """Stop when the monitored value has not improved for `patience` epochs."""
        if not self.begun_(net):
            return
        try:
            super().on_epoch_end(net, **more)
        except KeyboardInterrupt as stop:
            raise (_Enough if self.misses_ >= self.patience else KeyboardInterrupt) from stop


class Net(NeuralNet):
    """skorch's net with optional bfloat16, in which Ctrl-C stops the whole run and not only this training.

    With `parallel`, the network is trained together with other processes.
    """

    stopped = False
    half = False
    parallel: ParallelNetwork | None = None

    def _set_training(self, training: bool = True) -> None:
        # skorch sets the mode of every layer for every batch, which is slow for small networks.
        if self.module_.training is not training:
            super()._set_training(training)

    def infer(self, x: Any, **more: Any) -> Any:
        """Return the logits of a batch."""
        with torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16, enabled=self.half):
            return super().infer(x, **more).float() if self.parallel is None else self.parallel(x)

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Return the batches; those of the training begin after the epochs in the history."""
        batches = super().get_iterator(dataset, training)
        if training:
            batches.epoch = len(self.history)
        return batches

    def fit_loop(self, X: Any, y: Any = None, epochs: Any = None, **more: Any) -> Any:
        """Train the remaining epochs, continuing after the last one in the history."""
        left = self.max_epochs - len(self.history)
        try:
            return super().fit_loop(X, y, left if epochs is None else epochs, **more)
        except _Enough:
            raise
        except KeyboardInterrupt:
            self.stopped = True
            raise


class ClipGradients(Callback):
    """Clip the norm of all gradients; skorch's own callback collects the parameters anew for every batch."""

    def __init__(self, largest: float) -> None:
        self.largest = largest

    def on_train_begin(self, net: Any, *given: Any, **more: Any) -> None:
        """Collect the parameters."""
        self.parameters = list(net.module_.parameters())

    def on_grad_computed(self, net: Any, *given: Any, **more: Any) -> None:
        """Clip the gradients."""
        clip_grad_norm_(self.parameters, self.largest)


def check_loss(loss: Any, name: str, net: Any) -> None:
    """Raise `TrainingError` if the loss of a batch is not finite."""
    if not bool(torch.isfinite(loss)):
        raise TrainingError(
            f"the training of {name} diverged in epoch {len(net.history)}: its loss is NaN or infinite; "
            f"lower the learning rate ({net.lr:g})"
        )


class _EndToldCallback(Callback):
    """A callback that reports the end of a training that stops early, so that nobody waits for its other epochs."""

    name: str
    epochs: int

    def on_train_end(self, net: Any, **more: Any) -> None:
        """Report that no epochs are left."""
        if len(net.history) < self.epochs:
            report_epoch(self.name, self.epochs, self.epochs)


class Curve(_EndToldCallback):
    """Record learning rate, UAR and accuracy, report progress, and stop a training that diverges."""

    def __init__(self, name: str, n_classes: int, epochs: int) -> None:
        self.name, self.n_classes, self.epochs = name, n_classes, epochs
        self.counts = np.zeros((2, n_classes), dtype=np.int64)

    def on_batch_end(self, net: Any, batch: Any = None, training: bool = False, **step: Any) -> None:
        """Check that the loss is finite; count correct validation rows by class."""
        check_loss(step["loss"], self.name, net)
        if not training:
            truth = batch[1].cpu().numpy()
            right = step["y_pred"].argmax(dim=1).cpu().numpy() == truth
            self.counts[0] += np.bincount(truth[right], minlength=self.n_classes)
            self.counts[1] += np.bincount(truth, minlength=self.n_classes)

    def on_epoch_end(self, net: Any, **more: Any) -> None:
        """Record the learning rate and the validation UAR and accuracy, and report progress."""
        net.history.record("learning_rate", float(net.optimizer_.param_groups[-1]["lr"]))
        if self.counts[1].any():
            shown = self.counts[1] > 0
            net.history.record("validation_uar", float((self.counts[0, shown] / self.counts[1, shown]).mean()))
            net.history.record("validation_accuracy", float(self.counts[0].sum() / self.counts[1].sum()))
        self.counts[:] = 0
        report_epoch(self.name, len(net.history), self.epochs)


class NumbersCurve(_EndToldCallback):
    """As `Curve`, for a network that predicts numbers: record the mean CCC of the validation rows."""

    def __init__(self, name: str, epochs: int) -> None:
        self.name, self.epochs = name, epochs
        self.truth: list[Any] = []
        self.predicted: list[Any] = []

    def on_batch_end(self, net: Any, batch: Any = None, training: bool = False, **step: Any) -> None:
        """Check that the loss is finite; keep the predictions for validation rows."""
        check_loss(step["loss"], self.name, net)
        if not training:
            self.truth.append(batch[1].cpu().numpy())
            self.predicted.append(step["y_pred"].detach().cpu().numpy())

    def on_epoch_end(self, net: Any, **more: Any) -> None:
        """Record the learning rate and the validation CCC, and report progress."""
        net.history.record("learning_rate", float(net.optimizer_.param_groups[-1]["lr"]))
        if self.truth:
            score = mean_concordance(np.concatenate(self.truth), np.concatenate(self.predicted))
            net.history.record("validation_ccc", score)
        self.truth, self.predicted = [], []
        report_epoch(self.name, len(net.history), self.epochs)
