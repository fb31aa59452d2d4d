"""Embeddings of emotion2vec, or of another network of the raw waveform, from an ONNX file of the user's."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fusionser.errors import FusionserError, SettingsError
from fusionser.facts import Stamp
from fusionser.features.clip import Array, Clip
from fusionser.features.external.base import SPEECH_RATE, ExternalBlock
from fusionser.features.external.encoder import SHORTEST, pieces
from fusionser.features.external.transformers import check_pooling
from fusionser.features.external.weights import hash_of_files
from fusionser.onnx_session import open_session

__all__ = ["Emotion2vec"]

LARGEST = 2 << 30
"""Largest file in bytes; the format allows no larger one."""

LARGEST_WIDTH = 65536
TINY = 1e-5
"""Added to the variance, as in the training of emotion2vec."""


@dataclass(frozen=True)
class Graph:
    """A network in an ONNX file, from a waveform to frames, or to one vector.

    Parameters
    ----------
    file : str
    session : InferenceSession
        Of ONNX Runtime.
    output : str
        Name of the output that is used.
    """

    file: str
    session: Any
    output: str

    def run(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the output for one waveform, shape (n_frames, width), or (width,) if it is one vector."""
        (given,) = self.session.get_inputs()
        try:
            (found,) = self.session.run([self.output], {given.name: samples[None]})
        except Exception as error:
            # ONNX Runtime has many kinds of errors, some of which have no common base.
            raise SettingsError(
                f"{self.file}: the graph cannot compute {samples.size / SPEECH_RATE:.2f} s "
                f"({' '.join(str(error).split())[:200]}); export the model again, for waveforms of any length"
            ) from error
        values = np.asarray(found)
        whole = values.ndim in (2, 3) and values.shape[0] == 1 and 0 < values.shape[-1] <= LARGEST_WIDTH and values.size
        if not whole or values.dtype.kind != "f":
            raise SettingsError(
                f"{self.file}: the output '{self.output}' has the shape {values.shape} and the type {values.dtype}; "
                "expected numbers of shape (1, n_frames, n_units), or (1, n_units)"
            )
        if not np.isfinite(values).all():
            raise SettingsError(f"{self.file}: the output '{self.output}' has NaN or infinity; export the model again")
        return values[0].astype(np.float64)


@dataclass(kw_only=True, eq=False, repr=False)
class Emotion2vec(ExternalBlock):
    """Outputs of emotion2vec or emotion2vec+ (Ma et al. 2024) from an ONNX file, pooled over the clip.

    The graph takes a waveform at 16 kHz, shape (batch, n_samples), and gives frames, (batch, n_frames, n_units), or one
    vector, (batch, n_units). FunASR exports emotion2vec in this form. Its frames have 768 or 1024 units, 50 a second.
    Any other network of this form works as well. The clip is standardised, to mean 0 and variance 1, as emotion2vec
    expects. Clips of more than 30 s are computed in pieces.

    The file is a stranger's: operators that ONNX Runtime does not have, and weights in other files, are refused. A
    checkpoint of emotion2vec is a pickle, which is never read.

    Needs ONNX Runtime: ``pip install "fusionser[onnx]"``.

    Parameters
    ----------
    file : str, default=""
        Must be given: the ONNX file.
    pooling : sequence of {"mean", "std"}, default=("mean",)
        Statistics of the frames. The mean is what its authors call the features of the utterance. A graph that gives
        one vector has the mean only.
    output : str, default=""
        Name of the output of the graph; may be left out if there is only one.
    on : str, default="unknown recordings"
        What the network was trained on, which results and models say.
    licence : str, default="unknown"
        Its licence, which they say, too.

    Examples
    --------
    >>> Emotion2vec(file="no-such.onnx").check()
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: no-such.onnx: there is no such file; expected an ONNX file, as in ...
    """

    kind: ClassVar[str] = "emotion2vec"
    unhashed: ClassVar[tuple[str, ...]] = ("file", "on", "licence")
    file: str = ""
    pooling: Sequence[str] = ("mean",)
    output: str = ""
    on: str = "unknown recordings"
    licence: str = "unknown"

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range, or the file cannot be used."""
        super().check()
        check_pooling(self.pooling)
        for name in ("output", "on", "licence"):
            if not isinstance(getattr(self, name), str):
                raise SettingsError(f"{name} of the block 'emotion2vec' is {getattr(self, name)!r}; expected text")
        if self._trial().ndim == 1 and list(self.pooling) != ["mean"]:
            raise SettingsError(
                f"{self.file}: the graph gives one vector for a clip, which has no {self.pooling[-1]} over frames; "
                'expected pooling=["mean"]'
            )

    def made_with(self) -> dict[str, Any]:
        """Return a hash of the file."""
        return {"weights": hash_of_files([_existing(self.file)])}

    def stamps(self) -> list[Stamp]:
        """Return what the network was trained on, and its licence, as given."""
        described = {"what": Path(self.file).name, "on": self.on, "licence": self.licence}
        return [Stamp(kind="pretrained", value=described)]

    def names(self) -> list[str]:
        """Return the names of the columns within the block."""
        return [f"{statistic}_{unit:04d}" for statistic in self.pooling for unit in range(self._trial().shape[-1])]

    def compute(self, clip: Clip) -> Array:
        """Return the columns of one clip."""
        graph = self._graph()
        parts = pieces(_standardised(self.speech(clip, SHORTEST)))
        outputs = [np.atleast_2d(graph.run(part)) for part in parts]
        width = self._trial().shape[-1]
        if wrong := [output.shape[1] for output in outputs if output.shape[1] != width]:
            raise SettingsError(
                f"{self.file}: gives {wrong[0]} units for {clip.name} and {width} for a second of noise; expected the "
                "same number for every clip"
            )
        frames = np.concatenate(outputs)
        found = {"mean": frames.mean(axis=0), "std": frames.std(axis=0)}
        return np.concatenate([found[name] for name in self.pooling]).astype(np.float32)

    def _graph(self) -> Graph:
        return _graph_of(self.file, self.made_with()["weights"], self.output)

    def _trial(self) -> npt.NDArray[np.float64]:
        return _trial_of(self.file, self.made_with()["weights"], self.output)


def _standardised(samples: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    wide = samples.astype(np.float64)
    return ((wide - wide.mean()) / np.sqrt(wide.var() + TINY)).astype(np.float32)


def _existing(file: str) -> Path:
    """Return the path of a file after checks of its name and size."""
    if not isinstance(file, str) or not file:
        raise SettingsError(
            f"file of the block 'emotion2vec' is {file!r}; expected an ONNX file, as in emotion2vec[file=model.onnx]"
        )
    path = Path(file)
    try:
        there, size = path.is_file(), path.stat().st_size if path.is_file() else 0
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror or error})") from error
    if not there:
        raise SettingsError(f"{file}: there is no such file; expected an ONNX file, as in emotion2vec[file=model.onnx]")
    if size > LARGEST:
        raise SettingsError(f"{file}: {size / 2**30:.1f} GiB; an ONNX file has at most 2")
    return path


@lru_cache(maxsize=1)
def _graph_of(file: str, weights: str, output: str) -> Graph:
    """Return a graph after checks of its input and output. `weights` is its hash, so that a changed one is read."""
    try:
        session = open_session(Path(file).read_bytes())
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror or error})") from error
    except FusionserError as error:
        raise SettingsError(f"{file}: {error}") from error
    inputs, outputs = session.get_inputs(), [item.name for item in session.get_outputs()]
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 2:
        found = ", ".join(f"{item.name} {item.shape} {item.type}" for item in inputs)
        raise SettingsError(f"{file}: its inputs are {found}; expected one waveform, (batch, n_samples), as float32")
    if isinstance(inputs[0].shape[1], int):
        raise SettingsError(
            f"{file}: it takes waveforms of {inputs[0].shape[1]} samples only; export the model again, with a length "
            "that is not fixed (dynamic axes)"
        )
    if output not in outputs and (output or len(outputs) > 1):
        raise SettingsError(
            f"{file}: output is '{output}'; expected the name of an output of the graph: {', '.join(outputs)}"
        )
    return Graph(file, session, output or outputs[0])


@lru_cache(maxsize=4)
def _trial_of(file: str, weights: str, output: str) -> npt.NDArray[np.float64]:
    """Return the output for a second of noise, which shows its shape."""
    noise = np.random.default_rng(0).normal(size=SPEECH_RATE)
    return _graph_of(file, weights, output).run(_standardised(noise))
