"""Base class of deep extractors: a front end, a network, and its hidden units or its answers as columns."""

import json
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.special import softmax
from sklearn.base import ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from fusionser.alignment import LEAST_CLIPS
from fusionser.checks import check_processes, check_truth
from fusionser.errors import SettingsError
from fusionser.facts import Stamp
from fusionser.features.clip import plain_value
from fusionser.features.inputs import table_of
from fusionser.features.learned import (
    CROSS_FITTED,
    CROSS_FITTED_NUMBER,
    NUMBER,
    SCORE,
    LearnedBlock,
    columns_of,
    labels_of,
)
from fusionser.features.maps import FrontEnd
from fusionser.memory import check_memory_limit, exceeds_memory
from fusionser.networks.batch_norm import has_batch_norm, with_statistics_of
from fusionser.networks.batches import Distortion
from fusionser.networks.corpora import corpora_of
from fusionser.networks.inference import embedding_of, logits_of
from fusionser.networks.initial_weights import load_initial_weights, named_weights, weights_stamp
from fusionser.networks.inputs import Inputs
from fusionser.networks.layers import Network
from fusionser.networks.network_cache import History
from fusionser.networks.rows import TrainingRows
from fusionser.networks.soft_labels import shares_of
from fusionser.networks.targets import LearnsTargets, spread
from fusionser.networks.training import train_network
from fusionser.networks.validation import hold_out
from fusionser.networks.weights import pack_network, unpack_network
from fusionser.progress import report_step
from fusionser.shards import ArrayList
from fusionser.splits.inner_folds import InnerFolds
from fusionser.splits.validation_rows import given_validation
from fusionser.waveform import Rates

__all__ = ["DeepExtractor"]

Array = npt.NDArray[np.float32]
Positions = npt.NDArray[np.intp]

OUTPUTS = ("units", "scores")
LEAST = 1e-12
MODEL = "model"


@dataclass(kw_only=True, eq=False, repr=False)
class DeepExtractor(ClassifierMixin, LearnedBlock, LearnsTargets):
    """A network that is trained to classify, and whose hidden units or class scores are used as features.

    If y is numbers of shape (n_rows, n_targets), the network learns to predict these instead: they are standardised,
    the loss is 1 - CCC of each batch, and the predicted numbers take the place of the class scores.

    Subclasses build the network. X is a table with a column ``file``, or a list of paths, waveforms or pairs
    (samples, rate) (see `fusionser.features.inputs`). A table may have the columns ``speaker``, ``source`` and
    ``augmentation``, which validation rows and inner folds are chosen by, ``corpus``, for `by_corpus`, and
    ``votes_of_raters``, for `soft_labels`. Every method takes ``sampling_rate``, the rate of waveforms without their
    own.

    Parameters
    ----------
    front_end : FrontEnd, optional
        Computes the input of the network from a clip; each architecture has a default. Its own `cache` is ignored.
    output : {"units", "scores"}, default="units"
        Whether `transform` returns hidden units, or the log-probability of each class (the standardised prediction of
        each number).
    cross_fit : int, default=0
        With two folds or more, `fit_transform` returns the scores of each training row from a network that was trained
        without its speaker, on inner folds (for exceptions see `InnerFolds`). Not for hidden units: those of different
        networks have no common axes, so they cannot share columns.
    weights : str, optional
        A model file with a network of the same kind. Training starts from its weights instead of random ones; only the
        output layer is new. Both networks need the same front end. Models and results store the name and the hash of
        the file.
    by_speaker : bool, default=False
        Whether `transform` gives the batch normalisation of the trained network the statistics of the clips of each
        speaker, as `adapted` does, before it answers for them; in-fold scores of `fit_transform` are without. Needs the
        column ``speaker``. For a speaker with fewer than ten clips, not counting augmented copies, the network answers
        as it is. Scores are then speaker-normalised, not inductive.
    processes : int, default=1
        Number of processes on this machine that train the network together, each on its rows of every batch and with
        its share of the threads. They compute what one does, up to rounding. On GPUs, each has its own.
    memory_limit : int or str, optional
        Largest size of the inputs of the network that are kept in memory, as a number of bytes or as text such as
        "4GiB"; an eighth of the free memory when None. Larger ones are on disk, in the folder of the cache, and are
        read batch by batch; the network is the same.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Empty where numbers are predicted.
    scales_ : TargetScales or None
        Means, deviations and ranges of the numbers in training; None where classes are predicted.
    network_ : Network
    history_ : list of dict
        The learning curve (see `train_network`).
    """

    takes_numbers: ClassVar[bool] = True
    weights_format: ClassVar[str | None] = MODEL
    """Kind of file that `weights` is: "model" or "safetensors"; None if the network takes none."""
    front_end: FrontEnd | None = None
    output: str = "units"
    cross_fit: int = 0
    weights: str | None = None
    by_speaker: bool = False
    processes: int = 1
    memory_limit: int | str | None = None

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> Network:
        """Build the network for an input shape, with an output for each class, or for each number to predict."""
        raise NotImplementedError

    def begin(self, network: Network) -> None:
        """Replace the initial weights of a network before training, by default by those of `weights`."""
        if self.weights is not None:
            front_end = self.resolved_front_end().settings()
            build = partial(self.build_network, self.input_shape_)
            own = network.state_dict()
            network.load_state_dict(own | load_initial_weights(self.weights, self.kind, front_end, build))

    def stamps(self) -> list[Stamp]:
        """Return what the front end says, and which recordings `weights` were trained on."""
        begun = [] if self.weights is None else [weights_stamp(self.weights, self.kind)]
        return [*super().stamps(), *begun]

    def unit_count(self) -> int:
        """Return the number of hidden units that `embed` returns."""
        raise NotImplementedError

    def distortion(self) -> Distortion | None:
        """Return the distortion of training batches, if any."""
        return None

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is outside its range."""
        if self.weights is not None and not isinstance(self.weights, str | PathLike):
            raise SettingsError(f"weights is {self.weights!r}; expected the path of a model file, or None")
        if self.weights is not None and self.weights_format is None:
            raise SettingsError(f"{self.kind} starts from a pretrained encoder, so it takes no weights; leave them out")
        if self.front_end is not None and not isinstance(self.front_end, FrontEnd):
            raise SettingsError(f"front_end is {self.front_end!r}; expected a front end such as LogMelMap(), or None")
        super().check()
        self.check_training()
        check_processes(self.processes)
        check_truth("by_speaker", self.by_speaker)
        check_memory_limit(self.memory_limit)
        if self.output not in OUTPUTS:
            raise SettingsError(f"output is {self.output!r}; expected one of {', '.join(OUTPUTS)}")
        if self.cross_fit < 0 or self.cross_fit == 1:
            raise SettingsError(f"cross_fit is {self.cross_fit}; expected 0 (none), or 2 folds or more")
        if self.cross_fit and self.output == "units":
            raise SettingsError(
                "hidden units cannot be cross-fitted: those of different networks share no axes; set output='scores'"
            )

    def fit(
        self, X: Any, y: Any, validation_rows: tuple[Any, Any] | None = None, *, sampling_rate: Rates = None
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)
        y : sequence of shape (n_rows,), or numbers of shape (n_rows, n_targets)
            Labels, or what to predict instead.
        validation_rows : (rows, labels), optional
            Validation rows, instead of those that the protocol gives, or else held-out rows of X. If `sampling_rate` is
            given, their waveforms must be pairs. With test rows here, the epoch is chosen on the test set: several
            papers report such scores, which do not estimate performance on new data.
        sampling_rate : int or sequence of int, optional
            Rate in Hz of waveforms in X without their own; the front end's rate when None.

        Raises
        ------
        AudioError
            If a clip cannot be used.
        TrainingError
            If the training diverges, or there are fewer than two training rows.
        SettingsError
            If a parameter is outside its range, or all rows have one class.
        """
        self.check()
        rows = self.rows(X, sampling_rate)
        labels = labels_of(y, len(rows))
        if len(labels) == 0:
            raise SettingsError("X holds no clips; a network needs clips of two classes or more")
        if validation_rows is None and self.validation > 0 and (given := given_validation()) is not None:
            validation_rows = self.rows(given.rows), given.labels
        self._learn_targets(labels)
        if validation_rows is None:
            trained, held = hold_out(rows, spread(labels), self.validation, self.random_state or 0, self.validate_by)
            validation, validation_labels = rows.iloc[held], labels[held]
        else:
            trained = np.arange(len(labels))
            # A given rate applies only to X.
            front_ends = {} if sampling_rate is not None else {self.kind: self.resolved_front_end()}
            validation, validation_labels = table_of(validation_rows[0], None, front_ends), validation_rows[1]
        validation_targets = self._encoded(validation_labels)
        shares = shares_of(rows, labels, self.classes_) if self.soft_labels else None
        inputs, positions, groups = self._training_inputs(rows, trained)
        learned = TrainingRows(
            inputs=inputs,
            targets=self._encoded(labels)[positions],
            groups=groups,
            corpora=corpora_of(rows)[positions],
            validation_inputs=self._inputs(validation) if len(validation) else None,
            validation_targets=validation_targets,
            shares=None if shares is None else shares[positions],
            validation_shares=None if shares is None else shares_of(validation, validation_labels, self.classes_),
        )
        self.input_shape_ = tuple(int(size) for size in inputs.shape[1:])
        self.history_: History
        options: dict[str, Any] = {"distortion": self.distortion(), "processes": self.processes}
        self.network_, self.history_ = train_network(
            self._begun, learned, self.classes_, self, name=self.kind, **options
        )
        return self

    def fit_transform(self, X: Any, y: Any = None, *, sampling_rate: Rates = None) -> Any:
        """Train, and return the columns of the training rows: out-of-fold with `cross_fit`, else in-fold."""
        self.check()
        rows = self.rows(X, sampling_rate)
        if not self.cross_fit:
            self.fit(rows, y)
            # No fusion learns from in-fold scores, so an adaptation to each training speaker would be lost time.
            return self._columns(rows) if self.output == "scores" else self.transform(rows)
        labels = labels_of(y, len(rows))
        numbers = labels.ndim == 2
        classes = np.arange(labels.shape[1]) if numbers else np.unique(labels)
        scores = np.full((len(labels), len(classes)), np.log(LEAST), dtype=np.float64 if numbers else np.float32)
        folds = InnerFolds(folds=self.cross_fit, seed=self.random_state or 0, stratified=not numbers)
        for done, (train, held) in enumerate(folds.split(rows, labels)):
            report_step("inner folds", done, self.cross_fit)
            inner = clone(self).set_params(cross_fit=0, output="scores").fit(rows.iloc[train], labels[train])
            if numbers:
                scores[held] = inner._numbers(rows.iloc[held])
            else:
                scores[np.ix_(held, np.searchsorted(classes, inner.classes_))] = inner.transform(rows.iloc[held])
        report_step("inner folds", self.cross_fit, self.cross_fit)
        self.fit(rows, labels)
        return scores if self.scales_ is None else self._encoded(scores)

    def _numbers(self, rows: pd.DataFrame) -> npt.NDArray[Any]:
        """Return the predicted numbers of clips, by speaker if that is asked for."""
        if not self.by_speaker or self.scales_ is None:
            return self.predict(rows)
        return self.scales_.restored(self.transform(rows))

    def transform(self, X: Any, *, sampling_rate: Rates = None) -> Array:
        """Return the hidden units, class scores or predicted numbers of every clip, shape (n_clips, n_columns)."""
        rows = self.rows(X, sampling_rate)
        return self._by_speaker(rows) if self.by_speaker else self._columns(rows)

    def _columns(self, rows: pd.DataFrame) -> Array:
        return self.embed(rows) if self.output == "units" else self.scores(rows)

    def _by_speaker(self, rows: pd.DataFrame) -> Array:
        """Return the columns of a network that is adapted to the clips of each speaker."""
        check_is_fitted(self, "network_")
        speakers = columns_of(rows, {"speaker": ""})["speaker"].to_numpy(dtype=str)
        if (speakers == "").any():
            raise SettingsError(
                "by_speaker (--setting speaker-normalised) needs the speaker of every row; expected a table with the "
                "column 'speaker' filled"
            )
        columns = np.empty((len(rows), len(self.names())), dtype=np.float32)
        originals = columns_of(rows, {"augmentation": ""})["augmentation"].fillna("").to_numpy() == ""
        for speaker in np.unique(speakers):
            of_speaker = speakers == speaker
            # Augmented copies would say how they were changed, and not how the speaker sounds.
            known = rows.iloc[np.flatnonzero(of_speaker & originals)]
            network = self.adapted(known) if self.adapts and len(known) >= LEAST_CLIPS else self
            columns[of_speaker] = network._columns(rows.iloc[np.flatnonzero(of_speaker)])
        return columns

    def embed(self, X: Any, *, sampling_rate: Rates = None) -> Array:
        """Return the hidden units of every clip, shape (n_clips, n_units), float32."""
        check_is_fitted(self, "network_")
        rows = self.rows(X, sampling_rate)
        return self._applied(rows, lambda inputs: embedding_of(self.network_, inputs, self.device))

    def scores(self, X: Any, *, sampling_rate: Rates = None) -> Array:
        """Return the log-probability of each class, or each number, standardised; (n_clips, n_outputs), float32."""
        if self._fitted_scales() is not None:
            return self._encoded(self.predict(X, sampling_rate=sampling_rate))
        return np.log(np.maximum(self.predict_proba(X, sampling_rate=sampling_rate), LEAST)).astype(np.float32)

    def predict_proba(self, X: Any, *, sampling_rate: Rates = None) -> npt.NDArray[np.float64]:
        """Return the probability of each class, shape (n_clips, n_classes), in the order of `classes_`."""
        if self._fitted_scales() is not None:
            raise SettingsError(f"{self.kind} was fitted to numbers, which have no probabilities; use predict")
        return softmax(self._outputs(self.rows(X, sampling_rate)), axis=1)

    def predict(self, X: Any, *, sampling_rate: Rates = None) -> npt.NDArray[Any]:
        """Return the most probable class of each clip, (n_clips,), or the predicted numbers, (n_clips, n_targets)."""
        if (scales := self._fitted_scales()) is not None:
            return scales.restored(self._outputs(self.rows(X, sampling_rate)))
        probabilities = self.predict_proba(X, sampling_rate=sampling_rate)
        return self.classes_[probabilities.argmax(axis=1)]

    def adapted(self, X: Any) -> Self:
        """Return a copy whose batch normalisation has the statistics of unlabelled clips.

        The running means and variances are replaced by those of the clips (AdaBN: Li, Wang, Shi, Hou and Liu 2016); all
        weights stay. A network without batch normalisation stays as it is.

        Parameters
        ----------
        X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)
        """
        check_is_fitted(self, "network_")
        rows, copied = self.rows(X), copy(self)
        copied.network_ = with_statistics_of(
            self.network_,
            lambda network: self._applied(rows, lambda inputs: logits_of(network, inputs, self.device)),
        )
        return copied

    @property
    def adapts(self) -> bool:
        """Whether the network has batch normalisation, which `adapted` sets."""
        with torch.device("meta"):
            return has_batch_norm(self.build_network(self.resolved_front_end().array_shape(), 2))

    def names(self) -> list[str]:
        """Return the column names within the block; those of class scores and numbers are known only after `fit`."""
        if self.output == "units":
            return [f"unit_{number:02d}" for number in range(self.unit_count())]
        check_is_fitted(self, "classes_")
        if self.scales_ is not None:
            prefix = CROSS_FITTED_NUMBER if self.cross_fit else NUMBER
            return [f"{prefix}{number}" for number in range(1, len(self.scales_) + 1)]
        return [f"{CROSS_FITTED if self.cross_fit else SCORE}{name}" for name in self.classes_]

    def column_count(self, n_classes: int) -> int:
        """Return the number of columns for a number of classes, or of targets."""
        return self.unit_count() if self.output == "units" else n_classes

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values, without those that depend on the machine."""
        params = self.get_params(deep=False)
        for name in ("front_end", "device", "cache", "processes", "memory_limit"):
            params.pop(name, None)
        weights, by_speaker = params.pop("weights"), params.pop("by_speaker")
        if weights is not None:
            params["weights"] = named_weights(weights)
        if by_speaker:
            params["by_speaker"] = True
        plain = json.loads(json.dumps(params, default=plain_value))
        return {"kind": self.kind, "front_end": self.resolved_front_end().settings(), **plain}

    def pack(self) -> bytes:
        """Return the network as the bytes of a safetensors file."""
        check_is_fitted(self, "network_")
        return pack_network(self.network_, None if self.scales_ is None else self.scales_.texts())

    def unpack(self, content: bytes, classes: npt.NDArray[Any]) -> None:
        """Restore the network; raise `ValueError` if the weights do not fit this architecture."""
        self._restore_targets(content, classes)
        self.network_ = unpack_network(self._build, content)

    def _restore_targets(self, content: bytes, classes: npt.NDArray[Any]) -> None:
        """Set the classes, or the scales of the numbers in a file, which may be a stranger's."""
        self._read_targets(content, classes)
        self.history_ = []
        self.input_shape_ = self.resolved_front_end().array_shape()

    def _outputs(self, rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return the outputs of the network: the logit of each class, or each number, standardised."""
        return self._applied(rows, lambda inputs: logits_of(self.network_, inputs, self.device)).astype(np.float64)

    def _build(self) -> Network:
        return self.build_network(self.input_shape_, len(self.classes_ if self.scales_ is None else self.scales_))

    def _begun(self) -> Network:
        network = self._build()
        self.begin(network)
        return network

    def _applied(self, rows: pd.DataFrame, function: Callable[[Inputs], Array]) -> Array:
        """Apply a function of the network to the clips; subclasses may average over variants of a clip."""
        return function(self._inputs(rows))

    def _front_end(self) -> FrontEnd:
        """Return the front end, set to use the cache of this extractor."""
        return clone(self.resolved_front_end()).set_params(cache=self.cache)

    def _inputs(self, rows: pd.DataFrame) -> Inputs:
        if self._on_disk(len(rows)):
            return ArrayList(self._front_end().compute_on_disk(rows))
        return self._front_end().compute_all(rows)

    def _on_disk(self, count: int) -> bool:
        """Return whether a number of clips has too large inputs for the memory."""
        return exceeds_memory(self.memory_limit, count * self.resolved_front_end().array_bytes())

    def _training_inputs(
        self, rows: pd.DataFrame, trained: Positions
    ) -> tuple[Inputs, Positions, npt.NDArray[np.int64] | None]:
        """Return training inputs, the row of each, and groups of interchangeable inputs (see `Batches`)."""
        return self._inputs(rows.iloc[trained]), trained, None
