"""Fisher vectors: how the frames of a clip differ from the mixture of Gaussians that describes all training frames."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.fft import dct
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils.validation import check_is_fitted

from fusionser.checks import check_range
from fusionser.errors import SettingsError
from fusionser.features.learned import Array, LearnedBlock
from fusionser.features.maps import FrontEnd, LogMelMap
from fusionser.waveform import Rates

__all__ = ["FisherVectors", "fisher_vector"]

Array64 = npt.NDArray[np.float64]

PART = 256
"""Clips whose maps are in memory at the same time."""

ITERATIONS = 12
"""Steps of the EM algorithm. More change the columns, but not what they are good for."""

FLOOR = 60.0
"""Decibels below the loudest band at which bands are cut off, so that a gain changes nothing."""

LEAST_VARIANCE = 1e-3
"""Of whitened frames, whose variance is 1 over all of them."""

ARRAYS = ("mean", "projection", "weights", "means", "variances")


@dataclass(kw_only=True, eq=False, repr=False)
class FisherVectors(LearnedBlock):
    """How the frames of a clip differ from a mixture of Gaussians that is fitted to the training frames.

    The loud frames are described by MFCC, relative to their mean over the clip, each together with frames before and
    after it, so that they show how the voice moves. A principal component analysis whitens them. The columns are the
    gradients of the clip's log-likelihood by the means and the deviations of the mixture (Perronnin and Dance 2007).
    Each is replaced by its signed square root, and all are divided by their length (Perronnin, Sanchez and Mensink
    2010). Labels are not used. In late fusion, the columns have a classifier of their own.

    Parameters
    ----------
    n_mfcc : int, default=20
        Coefficients of each frame, from the zeroth, at most as many as the front end has bands.
    context : int, default=3
        Frames before and after each frame that are taken with it, 0 to 50.
    spacing : int, default=4
        Distance between them in frames, 1 to 50. With the default front end, 4 frames are 64 ms.
    n_components : int, default=40
        Dimensions after the principal component analysis, at most ``n_mfcc * (2 * context + 1)``.
    n_gaussians : int, default=32
        Number of Gaussians, 1 to 1024. There are ``2 * n_components * n_gaussians`` columns.
    dynamic_range : float, default=35.0
        Frames that are quieter than the loudest one by more decibels are left out, 5 to 100.
    n_frames : int, default=30000
        Largest number of training frames that the mixture is fitted to, 1000 to 10 million, drawn at random.
    random_state : int, default=0
    front_end : LogMelMap, optional
        When None, 64 bands of the trimmed clip, 3 s at 16 kHz, one frame every 16 ms.

    Attributes
    ----------
    mean_ : ndarray of shape (n_values,)
    projection_ : ndarray of shape (n_components, n_values)
        Whitens frames from which `mean_` was subtracted.
    weights_ : ndarray of shape (n_gaussians,)
    means_, variances_ : ndarray of shape (n_gaussians, n_components)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> clips = [rng.normal(size=16000) for _ in range(4)]
    >>> block = FisherVectors(n_components=3, n_gaussians=2).fit(clips)
    >>> block.transform(clips).shape, block.names()[0]
    ((4, 12), 'mean_0_0')
    """

    kind: ClassVar[str] = "fisher-vectors"
    takes_numbers: ClassVar[bool] = True
    classified_apart: ClassVar[bool] = True
    n_mfcc: int = 20
    context: int = 3
    spacing: int = 4
    n_components: int = 40
    n_gaussians: int = 32
    dynamic_range: float = 35.0
    n_frames: int = 30000
    random_state: int | None = 0
    front_end: FrontEnd | None = None

    def default_front_end(self) -> FrontEnd:
        """Return the log-mel map of 64 bands by 188 frames."""
        return LogMelMap(sampling_rate=16000, trim=True, n_fft=1024, hop_length=256, n_mels=64, duration=3.0)

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        front = self.resolved_front_end()
        if not isinstance(front, LogMelMap):
            raise SettingsError(f"{self.kind} reads log-mel maps; expected a LogMelMap as front_end")
        check_range("n_mfcc", self.n_mfcc, 1, front.n_mels)
        check_range("context", self.context, 0, 50)
        check_range("spacing", self.spacing, 1, 50)
        check_range("n_components", self.n_components, 1, self.n_mfcc * (2 * self.context + 1))
        check_range("n_gaussians", self.n_gaussians, 1, 1024)
        check_range("dynamic_range", self.dynamic_range, 5, 100)
        check_range("n_frames", self.n_frames, 1000, 10**7)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the whitening and the mixture to frames of the clips.

        Parameters
        ----------
        X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)
        y : ignored

        Raises
        ------
        AudioError
            If a clip cannot be used.
        SettingsError
            If a parameter is out of range, or there are fewer frames than Gaussians or components.
        """
        self.check()
        rows = self.rows(X)
        rng = np.random.default_rng(self.random_state or 0)
        # As many of each clip, so that not all frames have to be in memory.
        of_each = max(1, self.n_frames // max(1, len(rows)))
        drawn = [frames[rng.permutation(len(frames))[:of_each]] for frames in self._frames(rows)]
        least = max(self.n_gaussians, self.n_components) + 1
        if sum(map(len, drawn)) < least:
            raise SettingsError(
                f"{self.kind} needs {least} frames or more to fit {self.n_gaussians} Gaussians of {self.n_components} "
                f"components; got {sum(map(len, drawn))}. Give more clips, or lower n_gaussians and n_components"
            )
        frames = np.concatenate(drawn)
        seed = int(rng.integers(2**31))
        whitening = PCA(self.n_components, whiten=True, svd_solver="full").fit(frames)
        mixture = GaussianMixture(
            self.n_gaussians,
            covariance_type="diag",
            reg_covar=LEAST_VARIANCE,
            max_iter=ITERATIONS,
            init_params="k-means++",
            random_state=seed,
        )
        with warnings.catch_warnings():
            # The EM algorithm is stopped on purpose.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(whitening.transform(frames))
        self.mean_ = whitening.mean_
        deviations = np.sqrt(np.maximum(whitening.explained_variance_, np.finfo(np.float64).eps))
        self.projection_ = whitening.components_ / deviations[:, None]
        self.weights_, self.means_, self.variances_ = mixture.weights_, mixture.means_, mixture.covariances_
        return self

    def transform(self, X: Any, *, sampling_rate: Rates = None) -> Array:
        """Return the Fisher vector of every clip, shape (n_clips, n_columns). `FeatureBlock.transform` describes X."""
        check_is_fitted(self, "means_")
        vectors = np.zeros((0, self.column_count(0)), dtype=np.float32)
        found = [self._vector(frames) for frames in self._frames(self.rows(X, sampling_rate))]
        return np.stack(found).astype(np.float32) if found else vectors

    def names(self) -> list[str]:
        """Return the names of the columns: what the gradient is of, the Gaussian and the component."""
        return [
            f"{what}_{gaussian}_{component}"
            for what in ("mean", "deviation")
            for gaussian in range(self.n_gaussians)
            for component in range(self.n_components)
        ]

    def column_count(self, n_classes: int) -> int:
        """Return the number of columns."""
        return 2 * self.n_gaussians * self.n_components

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values."""
        params = {name: value for name, value in self.get_params(deep=False).items() if name != "front_end"}
        return {"kind": self.kind, "front_end": self.resolved_front_end().settings(), **params}

    def pack(self) -> bytes:
        """Return the whitening and the mixture as the bytes of a safetensors file."""
        from safetensors.numpy import save

        return save({name: np.ascontiguousarray(getattr(self, f"{name}_"), dtype=np.float64) for name in ARRAYS})

    def unpack(self, content: bytes, classes: npt.NDArray[Any]) -> None:
        """Restore whitening and mixture. Raise `ValueError` if they do not fit the parameters."""
        from safetensors.numpy import load

        try:
            arrays = load(content)
        except Exception as error:
            # safetensors raises a different error for each kind of damage.
            raise ValueError(f"the mixture cannot be read ({error})") from error
        values, mixture = self.n_mfcc * (2 * self.context + 1), (self.n_gaussians, self.n_components)
        shapes = ((values,), (self.n_components, values), mixture[:1], mixture, mixture)
        if {name: array.shape for name, array in arrays.items()} != dict(zip(ARRAYS, shapes, strict=True)):
            raise ValueError("the mixture does not fit the parameters of its block")
        if any(array.dtype != np.float64 or not np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("the mixture has values of the wrong type, or that are not finite")
        if not (arrays["weights"] > 0).all() or not (arrays["variances"] > 0).all():
            raise ValueError("the mixture has weights or variances that are not positive")
        for name, array in arrays.items():
            setattr(self, f"{name}_", array)

    def _frames(self, rows: pd.DataFrame) -> Iterator[Array64]:
        """Yield the loud frames of each clip with their context, shape (n_frames, n_values)."""
        front = self.resolved_front_end()
        for start in range(0, len(rows), PART):
            for bands in front.compute_all(rows.iloc[start : start + PART]):
                yield self._described(bands.astype(np.float64))

    def _described(self, bands: Array64) -> Array64:
        # The map has an absolute floor, which the silence around a clip is at.
        bands = np.maximum(bands, bands.max() - FLOOR)
        level = bands.mean(axis=0)
        loud = np.flatnonzero(level >= level.max() - self.dynamic_range)
        cepstra = dct(bands, axis=0, norm="ortho")[: self.n_mfcc]
        cepstra -= cepstra[:, loud].mean(axis=1, keepdims=True)
        offsets = self.spacing * np.arange(-self.context, self.context + 1)
        places = np.clip(loud[:, None] + offsets, 0, bands.shape[1] - 1)
        return cepstra[:, places].transpose(1, 2, 0).reshape(len(loud), -1)

    def _vector(self, frames: Array64) -> Array64:
        whitened = (frames - self.mean_) @ self.projection_.T
        gradients = fisher_vector(whitened, self.weights_, self.means_, self.variances_)
        rooted = np.sign(gradients) * np.sqrt(np.abs(gradients))
        return rooted / max(float(np.linalg.norm(rooted)), 1e-12)


def fisher_vector(frames: Array64, weights: Array64, means: Array64, variances: Array64) -> Array64:
    """Return the gradients of the mean log-likelihood of frames, by means and by deviations, each of unit variance.

    Parameters
    ----------
    frames : ndarray of shape (n_frames, n_components)
    weights : ndarray of shape (n_gaussians,)
        They sum to 1.
    means, variances : ndarray of shape (n_gaussians, n_components)

    Returns
    -------
    ndarray of shape (2 * n_gaussians * n_components,)

    Examples
    --------
    >>> fisher_vector(np.array([[1.0], [3.0]]), np.ones(1), np.zeros((1, 1)), np.ones((1, 1))).round(3).tolist()
    [2.0, 2.828]
    """
    precisions = 1.0 / variances
    logs = (
        np.log(weights)
        - 0.5 * (np.log(2 * np.pi * variances) + means**2 * precisions).sum(axis=1)
        + frames @ (means * precisions).T
        - 0.5 * frames**2 @ precisions.T
    )
    shares = softmax(logs, axis=1)
    counts, sums, squares = shares.sum(axis=0)[:, None], shares.T @ frames, shares.T @ frames**2
    by_means = (sums - counts * means) * np.sqrt(precisions)
    by_deviations = (squares - 2 * sums * means + counts * means**2) * precisions - counts
    scale = len(frames) * np.sqrt(weights)[:, None]
    return np.concatenate([(by_means / scale).ravel(), (by_deviations / (np.sqrt(2) * scale)).ravel()])
