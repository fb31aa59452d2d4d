"""Checkpoints of a training, so that an interrupted one resumes and reaches the same weights."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from skorch.callbacks import Callback
from torch import Tensor

from fusionser.errors import FusionserError
from fusionser.features.clip import plain_value
from fusionser.networks.weights import keep, read_kept

__all__ = ["Checkpoints", "read_checkpoint"]

SECONDS = 10.0
"""Minimum time between two checkpoints; a shorter training writes none."""

STATE = "state"
MODULE, BEST, OPTIMISER, RANDOM = "module", "best", "optimiser", "random"
STOP = ("misses_", "dynamic_threshold_", "best_epoch_")


class Checkpoints(Callback):
    """Write checkpoints, and resume from one; must be the last callback.

    Weights, optimiser state and random states are tensors in a safetensors file. The learning curve and the state of
    the schedule and of early stopping are JSON in its header.

    Parameters
    ----------
    path : Path, optional
        Where they are written; nowhere when None.
    rng : numpy.random.Generator
        The generator of the batches.
    resumed : tuple, optional
        The value of `read_checkpoint`.
    """

    def __init__(
        self, path: Path | None, rng: np.random.Generator, resumed: tuple[dict[str, Tensor], dict[str, Any]] | None
    ) -> None:
        self.path, self.rng, self.resumed = path, rng, resumed
        self.kept_at = time.monotonic()

    def on_train_begin(self, net: Any, **more: Any) -> None:
        """Restore the checkpoint, if there is one."""
        if self.resumed is not None:
            _restore(net, self.rng, *self.resumed)
        self.kept_at = time.monotonic()

    def on_epoch_end(self, net: Any, **more: Any) -> None:
        """Write a checkpoint if `SECONDS` have passed since the last one."""
        if self.path is None or time.monotonic() - self.kept_at < SECONDS:
            return
        tensors, state = _state(net, self.rng)
        try:
            keep(save(tensors, {STATE: json.dumps(state, default=plain_value)}), self.path)
        except (OSError, FusionserError):
            # Without a checkpoint the training still works; on a full disk, only the chance to resume is lost.
            return
        self.kept_at = time.monotonic()


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Return the tensors and the plain values of a checkpoint; None if there is none, or it is damaged."""
    if not path.is_file():
        return None
    try:
        tensors, metadata = read_kept(path)
        return tensors, json.loads(metadata[STATE])
    except Exception:
        # An unreadable checkpoint only means training from the first epoch.
        return None


def _state(net: Any, rng: np.random.Generator) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the state of a training as tensors by name and plain values."""
    callbacks = dict(net.callbacks_)
    optimiser = net.optimizer_.state_dict()
    tensors = {f"{MODULE}.{name}": value for name, value in net.module_.state_dict().items()}
    values: dict[str, dict[str, Any]] = {}
    for number, parts in optimiser["state"].items():
        for name, value in parts.items():
            if isinstance(value, Tensor):
                tensors[f"{OPTIMISER}.{number}.{name}"] = value
            else:
                values.setdefault(str(number), {})[name] = value
    tensors[f"{RANDOM}.cpu"] = torch.get_rng_state()
    if torch.device(net.device).type == "cuda":
        tensors[f"{RANDOM}.cuda"] = torch.cuda.get_rng_state(net.device)
    state = {
        "history": [{key: value for key, value in epoch.items() if key != "batches"} for epoch in net.history],
        "optimiser_values": values,
        "optimiser_groups": optimiser["param_groups"],
        "schedule": callbacks["rate"].lr_scheduler_.state_dict(),
        "generator": rng.bit_generator.state,
    }
    if "stop" in callbacks:
        stop = callbacks["stop"]
        state["stop"] = {name: getattr(stop, name) for name in STOP}
        best = stop.best_model_weights_ or {}
        tensors.update({f"{BEST}.{name}": value for name, value in best.items()})
    # Cloned because safetensors rejects tensors that share memory, as weights and their best copy may.
    return {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}, state


def _restore(net: Any, rng: np.random.Generator, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Restore the state of a training."""
    parts: dict[str, dict[str, Tensor]] = {MODULE: {}, BEST: {}, OPTIMISER: {}, RANDOM: {}}
    for name, value in tensors.items():
        part, rest = name.split(".", 1)
        parts[part][rest] = value
    net.module_.load_state_dict(parts[MODULE])
    averages: dict[int, dict[str, Any]] = {int(number): one for number, one in state["optimiser_values"].items()}
    for name, value in parts[OPTIMISER].items():
        number, rest = name.split(".", 1)
        averages.setdefault(int(number), {})[rest] = value
    net.optimizer_.load_state_dict({"state": averages, "param_groups": state["optimiser_groups"]})
    callbacks = dict(net.callbacks_)
    callbacks["rate"].lr_scheduler_.load_state_dict(state["schedule"])
    if "stop" in callbacks:
        for name, value in state["stop"].items():
            setattr(callbacks["stop"], name, value)
        callbacks["stop"].best_model_weights_ = parts[BEST] or None
    for epoch in state["history"]:
        net.history.append({**epoch, "batches": []})
    rng.bit_generator.state = state["generator"]
    torch.set_rng_state(parts[RANDOM]["cpu"])
    if "cuda" in parts[RANDOM]:
        torch.cuda.set_rng_state(parts[RANDOM]["cuda"], net.device)
