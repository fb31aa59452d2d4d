"""What a process does with clips that it computes together."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.errors import AudioError, SettingsError
from fusionser.features.clip import Clip, Computation
from fusionser.linear_algebra import one_thread
from fusionser.memory import reused_memory
from fusionser.reader import fetched_of
from fusionser.storage import fetching_ahead

__all__ = ["CPU", "FINGERPRINT", "Answer", "Array", "Computations", "Row", "compute_named", "compute_one"]

Array = npt.NDArray[np.float32]
Row = Mapping[str, Any]
Computations = Mapping[str, Computation]
Answer = dict[str, Array] | str
"""The values of a clip by computation, or the reason why it cannot be used."""

CPU = "cpu"
FINGERPRINT = "fingerprint"


def compute_one(clip: Clip, computations: Computations, ready: Mapping[str, Array | AudioError]) -> Answer:
    """Return the values of a clip. Values in `ready` were computed in a batch."""
    values: dict[str, Array] = {}
    try:
        for name, computation in computations.items():
            value = ready[name] if name in ready else computation.compute(clip)
            if isinstance(value, AudioError):
                raise value
            values[name] = np.asarray(value, dtype=np.float32)
        if not clip.in_memory and any(item.uses_audio for item in computations.values()):
            values[FINGERPRINT] = np.frombuffer(bytes.fromhex(clip.fingerprint), dtype=np.uint8).astype(np.float32)
    except AudioError as error:
        return str(error)
    except MemoryError:
        return str(_too_large(clip))
    for name, value in values.items():
        if not np.isfinite(value).all():
            return f"{clip.name}: the features '{name}' are not finite numbers for this clip"
    return values


def _too_large(clip: Clip) -> AudioError:
    return AudioError(f"{clip.name}: its analysis takes more memory than there is; cut it into utterances")


def _at_once(computation: Computation, clips: Sequence[Clip], device: str) -> list[Array | AudioError]:
    """Compute many clips in one call. A clip that cannot be used gets its error instead of values."""
    try:
        values = computation.compute_batch(clips, device)
    except AudioError as error:
        if len(clips) == 1:
            return [error]
        return [value for clip in clips for value in _at_once(computation, [clip], device)]
    except MemoryError:
        if len(clips) == 1:
            return [_too_large(clips[0])]
        return [value for clip in clips for value in _at_once(computation, [clip], device)]
    if len(values) != len(clips):
        raise SettingsError(
            f"compute_batch of '{computation.kind}' gave {len(values)} arrays for {len(clips)} clips; expected one each"
        )
    return list(values)


def _compute_batch(rows: list[Row], computations: Computations, device: str, jobs: int | None) -> list[Answer]:
    with fetching_ahead(fetched_of(row) for row in rows if "file" in row):
        return _analysed([Clip(row) for row in rows], computations, device, jobs)


def _analysed(clips: list[Clip], computations: Computations, device: str, jobs: int | None) -> list[Answer]:
    if device != CPU:
        from fusionser.features.on_device import share_spectra

        share_spectra(clips, computations, device, jobs)
    ready: list[dict[str, Array | AudioError]] = [{} for _ in clips]
    # A single clip has no memory to reuse.
    with reused_memory() if len(clips) > 1 else nullcontext(), one_thread():
        for name, computation in computations.items():
            # The other computations run clip by clip, so that they share each clip's spectrum.
            if type(computation).compute_batch is not Computation.compute_batch:
                for values, value in zip(ready, _at_once(computation, clips, device), strict=True):
                    values[name] = value
        # A clip that is done is not kept, or a batch of long recordings would fill the memory.
        return [compute_one(clips.pop(0), computations, values) for values in ready]


def compute_named(
    task: tuple[list[Row], Sequence[str]], computations: Computations, device: str, jobs: int | None
) -> list[Answer]:
    """Run those of the computations that are named in a task on its rows."""
    rows, names = task
    return _compute_batch(rows, {name: computations[name] for name in names}, device, jobs)
