"""Embeddings of a speaker encoder that was trained with the generalised end-to-end loss (GE2E)."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fusionser.errors import SettingsError
from fusionser.facts import Stamp
from fusionser.features.clip import Array, Clip
from fusionser.features.external.base import ExternalBlock
from fusionser.features.external.weights import hash_of_files
from fusionser.features.spectrum import FrameSettings, Spectrum
from fusionser.samples import Waveform

__all__ = ["GE2E"]

PACKAGE, WEIGHTS = "resemblyzer", "pretrained.pt"
INSTALL = 'pip install "fusionser[ge2e]", or, as only its file of weights is read: pip install --no-deps Resemblyzer'

N_MELS, UNITS, LAYERS = 40, 256, 3
FRAMES = FrameSettings(sampling_rate=16000, n_fft=400, hop_length=160)
WINDOW, STEP = 160, 80
"""Frames in a window, 1.6 s as in its training, and between the starts of two."""

LEAST_SHARE = 0.75
"""Share of the last window that the clip must fill; less is left out, unless it is the only window."""

LEVEL = 10 ** (-30 / 20)
"""Root mean square of its training recordings, which were raised to it."""


@dataclass(kw_only=True, eq=False, repr=False)
class GE2E(ExternalBlock):
    """Outputs of the speaker encoder of Wan, Wang, Papir and Lopez Moreno (2018), as the package Resemblyzer has it.

    Three LSTM layers of 256 units on 40 mel bands. The columns are mean and standard deviation of the outputs of the
    last layer, over windows of 1.6 s, and the mean embedding, of length 1. Clips are set to the level of its training
    recordings, -30 dB full scale. The weights were trained to tell speakers apart, on LibriSpeech, VoxCeleb1 and
    VoxCeleb2.

    Needs the file of weights in the package Resemblyzer (Apache 2.0): ``pip install "fusionser[ge2e]"``. The package is
    not imported, and the file is read as numbers only.

    Examples
    --------
    >>> voice = np.sign(np.sin(2 * np.pi * 200 / 16000 * np.arange(32000)))
    >>> GE2E().transform([voice], sampling_rate=16000).shape
    (1, 768)
    """

    kind: ClassVar[str] = "ge2e"

    def made_with(self) -> dict[str, Any]:
        """Return a hash of the weights."""
        return {"weights": hash_of_files([_weights_file()])}

    def stamps(self) -> list[Stamp]:
        """Return what the encoder was trained on, and its licence."""
        trained = "LibriSpeech, VoxCeleb1 and VoxCeleb2"
        return [Stamp(kind="pretrained", value={"what": "ge2e (Resemblyzer)", "on": trained, "licence": "Apache 2.0"})]

    def names(self) -> list[str]:
        """Return the names of the columns within the block."""
        return [f"{part}_{unit:03d}" for part in ("mean", "std", "embedding") for unit in range(UNITS)]

    def compute(self, clip: Clip) -> Array:
        """Return the columns of one clip."""
        import torch

        encoder = _encoder(str(_weights_file()))
        windows = torch.from_numpy(_windows(self.speech(clip, FRAMES.n_fft)))
        with torch.inference_mode():
            outputs, embeddings = encoder(windows)
        outputs = outputs.reshape(-1, UNITS).double().numpy()
        embedding = embeddings.double().numpy().mean(axis=0)
        embedding /= np.linalg.norm(embedding)
        return np.concatenate([outputs.mean(axis=0), outputs.std(axis=0), embedding]).astype(np.float32)


def _weights_file() -> Path:
    """Return the file of weights in the package, which is not imported.

    Raises
    ------
    SettingsError
        If it is not installed.
    """
    found = find_spec(PACKAGE)
    folders = [Path(folder) for folder in (found.submodule_search_locations or ())] if found is not None else []
    for folder in folders:
        if (folder / WEIGHTS).is_file():
            return folder / WEIGHTS
    raise SettingsError(f"the block 'ge2e' needs the weights in the package Resemblyzer; install them with: {INSTALL}")


def _windows(samples: Waveform) -> npt.NDArray[np.float32]:
    """Return the mel spectrogram of a clip in windows, shape (n_windows, `WINDOW`, `N_MELS`)."""
    # A clip is never silent.
    level = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    mel = Spectrum((samples * (LEVEL / level)).astype(np.float32), FRAMES).mel(N_MELS).T
    count = 1 + max(0, -(-(len(mel) - WINDOW) // STEP))
    if count > 1 and len(mel) - (count - 1) * STEP < LEAST_SHARE * WINDOW:
        count -= 1
    needed = (count - 1) * STEP + WINDOW
    padded = np.pad(mel, ((0, max(0, needed - len(mel))), (0, 0)))
    return np.stack([padded[first * STEP : first * STEP + WINDOW] for first in range(count)]).astype(np.float32)


@lru_cache(maxsize=1)
def _encoder(file: str) -> Any:
    """Return the encoder with its weights: a function from windows to outputs and embeddings."""
    import torch

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)["model_state"]
        lstm = torch.nn.LSTM(N_MELS, UNITS, LAYERS, batch_first=True)
        linear = torch.nn.Linear(UNITS, UNITS)
        for part, prefix in ((lstm, "lstm."), (linear, "linear.")):
            part.load_state_dict({name.removeprefix(prefix): w for name, w in state.items() if name.startswith(prefix)})
    except Exception as error:
        # A damaged file may fail in any way; nothing in it is run.
        raise SettingsError(
            f"{file}: cannot be read as the weights of 'ge2e' ({error}); install them again with: {INSTALL}"
        ) from error
    lstm.eval()
    linear.eval()

    def encode(windows: Any) -> tuple[Any, Any]:
        outputs, (hidden, _) = lstm(windows)
        raw = torch.relu(linear(hidden[-1]))
        return outputs, raw / raw.norm(dim=1, keepdim=True).clamp_min(1e-9)

    return encode
