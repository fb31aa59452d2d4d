"""Models in ONNX files. They predict with ONNX Runtime, without torch and scikit-learn."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, ValidationError

from fusionser.augmentation.waveforms import Augmentation
from fusionser.errors import ModelFileError, SettingsError
from fusionser.facts import Record, read_json, what_differs
from fusionser.features.base import FeatureBlock
from fusionser.features.clip_blocks import Gender
from fusionser.features.extraction import Extraction
from fusionser.features.inputs import table_of
from fusionser.features.maps import front_end
from fusionser.features.table import FeatureTable
from fusionser.files import exists, is_file
from fusionser.likeness import Unlikeness, unpack_unlikeness
from fusionser.model.card import ModelCard
from fusionser.model.predictor import Answers, Predictor
from fusionser.model.whole_waveform import WholeWaveform
from fusionser.onnx_session import need_runtime, open_session
from fusionser.registry import BLOCKS
from fusionser.results import BlockSettings
from fusionser.rows import array_columns
from fusionser.spec import stored_elsewhere
from fusionser.waveform import Rates

__all__ = ["METADATA", "Agreement", "OnnxCard", "OnnxInput", "OnnxModel", "load_onnx"]

METADATA = "fusionser"
"""Key of the description among the metadata of the file."""

WAVEFORM = WholeWaveform.kind
BATCH = 64
ROUNDING = 1e-3
"""How far the probabilities of rounded weights, and their sums, may be off."""

"""Most clips that are computed at once."""

GIBIBYTE = 1 << 30
"""Largest file that is read; ONNX files cannot exceed two of these."""

Array = npt.NDArray[np.float32]


class OnnxInput(Record):
    """An input of the graph, or what the graph computes from its waveform.

    Parameters
    ----------
    name : str
        Name of the input; of what the graph itself computes, the name of the block.
    block : str
        Name of the block that it belongs to, also that of the input at the clip's own speed.
    computation : dict
        Settings of what is computed from a clip.
    digest : str
        Digest of these, and of the revision of their code.
    speed : float, default=1.0
        Playback speed at which the clip is heard.
    """

    name: str
    block: str
    computation: BlockSettings
    digest: str
    speed: float = Field(1.0, ge=0.5, le=2)


class Agreement(Record):
    """How the file and the model that it was made of agreed when it was written.

    Parameters
    ----------
    clips : int
        Number of clips that both answered.
    clips_from : str
        Where these came from, in words.
    largest_difference : float
        Of any probability, 0 to 1.
    changed_answers : int
        Number of clips with different answers.
    """

    clips: int
    clips_from: str
    largest_difference: float
    changed_answers: int


class OnnxCard(Record):
    """Description of an ONNX file.

    Parameters
    ----------
    format : 1
    model : ModelCard
        Card of the model that it was made of.
    whole : bool
        Whether the graph begins with the waveform. If not, it begins with what `inputs` computes.
    because : str
        Why it does not begin with the waveform; empty if it does.
    inputs : list of OnnxInput
    sampling_rate : int or None
        Rate in Hz of the waveform.
    seconds : float or None
        The part of a clip that the graph uses. Longer clips are cut to it before their rate is changed. None is all.
    int8 : bool
        Whether weights are rounded to 8 bits.
    agreement : Agreement
    unlikeness : str or None
        What the training recordings are like, as JSON.
    versions : dict of str to str
        Versions of the packages that it was written with.
    """

    format: Literal[1] = 1
    model: ModelCard
    whole: bool
    because: str = ""
    inputs: list[OnnxInput]
    sampling_rate: int | None
    seconds: float | None = None
    int8: bool = False
    agreement: Agreement
    unlikeness: str | None = None
    versions: dict[str, str]


class OnnxModel(Predictor):
    """A model in an ONNX file, which predicts like the model that it was made of.

    Parameters
    ----------
    content : bytes
        Content of a file that ``fusionser export`` wrote.

    Attributes
    ----------
    card : ModelCard
        Card of the model that it was made of.
    onnx_card : OnnxCard
    unlikeness : Unlikeness or None

    Raises
    ------
    ModelFileError
        If the content is damaged, was not written by ``fusionser export``, or needs what another version computes.
    SettingsError
        If ONNX Runtime is not installed.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.session = open_session(content)
        self.onnx_card = _described(self.session)
        self.card = self.onnx_card.model
        self.unlikeness = _unlikeness(self.onnx_card)
        self._check_inputs()

    def __repr__(self) -> str:
        """Return what the model is in one line; `card` has the rest."""
        return f"<OnnxModel: {self.card.classifier} with {self.card.features_name}, {len(self.card.classes)} classes>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the content, since sessions cannot be pickled."""
        return OnnxModel, (self.content,)

    @property
    def needs_gender(self) -> bool:
        """Whether predicting a clip requires the gender of its speaker."""
        return any(item.computation["kind"] == Gender.kind for item in self.onnx_card.inputs)

    @cached_property
    def _computations(self) -> dict[str, Any]:
        """What is computed from each clip, at its own speed, by the name of the input."""
        built = {item.name: _built(item) for item in self.onnx_card.inputs if item.speed == 1.0}
        if not self.onnx_card.whole:
            return built
        inside = [item for item in built.values() if item.uses_audio]
        given = {name: item for name, item in built.items() if not item.uses_audio}
        return {WAVEFORM: WholeWaveform.of(inside), **given}

    def _check_inputs(self) -> None:
        """Raise `ModelFileError` if the graph and its description do not fit together."""
        try:
            computations = self._computations
        except Exception as error:
            # Untrusted settings may raise any error, such as an overflow.
            raise ModelFileError(f"its inputs cannot be computed ({error})") from error
        fast = [] if self.onnx_card.whole else [item for item in self.onnx_card.inputs if item.speed != 1.0]
        if alone := [item.name for item in fast if item.block not in computations]:
            raise ModelFileError(f"its input {alone[0]} is heard at another speed only; export the model again")
        expected = sorted([*computations, *(item.name for item in fast)])
        if sorted(item.name for item in self.session.get_inputs()) != expected:
            raise ModelFileError(f"its graph has other inputs than its description, {', '.join(expected)}")
        if [item.name for item in self.session.get_outputs()] != ["probabilities", "answer"]:
            raise ModelFileError("its graph has other outputs than probabilities and answer")
        if self.onnx_card.whole:
            return
        for item in self.onnx_card.inputs:
            if item.speed == 1.0 and not computations[item.name].origin():
                _check_digest(item, computations[item.name].digest(), self.card)

    def _table(self, items: Any, sampling_rate: Rates) -> FeatureTable:
        blocks = {name: item for name, item in self._computations.items() if isinstance(item, FeatureBlock)}
        front_ends = [item for item in self._computations.values() if not isinstance(item, FeatureBlock)]
        return FeatureTable(table_of(items, sampling_rate, self._computations), blocks, front_ends)

    def _answered(self, table: FeatureTable, result: Extraction) -> Answers:
        usable = result.usable
        arrays = {name: self._arrays(name, item, result) for name, item in self._computations.items()}
        arrays |= self._at_speeds(table.fed(result), arrays)
        # Clips of a waveform have their own lengths.
        size = 1 if self.onnx_card.whole else BATCH
        parts = [
            self.answer({name: np.stack(values[start : start + size]) for name, values in arrays.items()})
            for start in range(0, len(usable), size)
        ]
        probabilities = np.concatenate([part[0] for part in parts]).astype(np.float64)
        places = np.concatenate([part[1] for part in parts])
        return np.array(self.card.classes, dtype=object)[places], probabilities

    def _arrays(self, name: str, computation: Any, result: Extraction) -> list[Array]:
        key = name if isinstance(computation, FeatureBlock) else computation.column
        return [np.asarray(result.arrays[key][place], dtype=np.float32) for place in result.usable]

    def _at_speeds(self, rows: pd.DataFrame, arrays: Mapping[str, list[Array]]) -> dict[str, list[Array]]:
        """Return the inputs that are heard at other speeds. Clips that are then too short keep their own speed."""
        fast = [item for item in self.onnx_card.inputs if item.speed != 1.0 and not self.onnx_card.whole]
        changed: dict[str, list[Array]] = {}
        for item in fast:
            copies = rows.drop(columns=array_columns(rows))
            copies = copies.assign(augmentation=str(Augmentation("speed", item.speed, 0)))
            computed = self._computations[item.block].compute_usable(copies)
            changed[item.name] = [
                own if array is None else array for own, array in zip(arrays[item.block], computed, strict=True)
            ]
        return changed

    def answer(self, inputs: Mapping[str, Array]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Run the graph.

        Parameters
        ----------
        inputs : mapping of str to ndarray of shape (n_clips, ...)
            By the name of the input.

        Returns
        -------
        ndarray of shape (n_clips, n_classes), ndarray of shape (n_clips,)
            Probabilities, and the place of each answer among the classes.

        Raises
        ------
        ModelFileError
            If the graph cannot compute an answer.
        """
        count = len(next(iter(inputs.values())))
        try:
            probabilities, places = self.session.run(["probabilities", "answer"], dict(inputs))
        except Exception as error:
            # ONNX Runtime has many kinds of errors, some of which have no common base.
            raise ModelFileError(f"the graph gives no answer ({str(error)[:200]}); export the model again") from error
        if probabilities.shape != (count, len(self.card.classes)) or places.shape != (count,):
            raise ModelFileError("the graph gives answers of another shape than its description; export it again")
        if places.dtype.kind != "i" or ((places < 0) | (places >= len(self.card.classes))).any():
            raise ModelFileError("the graph gives answers that are none of its classes; export the model again")
        if not _are_probabilities(probabilities):
            raise ModelFileError("the graph gives numbers that are no probabilities; export the model again")
        return probabilities, places


def _are_probabilities(values: Array) -> bool:
    """Return whether each row is of numbers from 0 to 1 that sum up to 1; NaN is none of these."""
    close = (values > -ROUNDING) & (values < 1 + ROUNDING) & (np.abs(values.sum(axis=1, keepdims=True) - 1) < ROUNDING)
    return bool(close.all())


def load_onnx(path: str | Path) -> OnnxModel:
    """Read a model from an ONNX file that ``fusionser export`` wrote.

    Its graph runs in ONNX Runtime, which executes none of the file's code; files that refer to other files are refused.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    ModelFileError
        If the file is missing, damaged or foreign, or needs what another version of fusionser computes.
    SettingsError
        If the path is not a path, or ONNX Runtime is not installed.
    """
    if not isinstance(path, (str, PathLike)):
        raise SettingsError(f"got {type(path).__name__} for the path of a model; expected a path")
    need_runtime()
    if exists(path) and not is_file(path):
        raise ModelFileError(f"{path}: not a file; expected one that 'fusionser export' wrote")
    try:
        size = Path(path).stat().st_size
        if size > GIBIBYTE:
            raise ModelFileError(f"{path}: {size / GIBIBYTE:.1f} GiB; expected at most 1")
        content = Path(path).read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        return OnnxModel(content)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error


def _described(session: Any) -> OnnxCard:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA)
    if text is None:
        raise ModelFileError("no description by fusionser in it; expected a file that 'fusionser export' wrote")
    try:
        with stored_elsewhere():
            card = read_json(OnnxCard, text.encode())
    except (ValidationError, ValueError) as error:
        raise ModelFileError(f"its description is refused: {what_differs(error)}") from error
    if not card.model.classes or len(set(card.model.classes)) < len(card.model.classes):
        raise ModelFileError("its classes are not names that differ")
    return card


def _unlikeness(card: OnnxCard) -> Unlikeness | None:
    return None if card.unlikeness is None else unpack_unlikeness(card.unlikeness.encode())


def _built(item: OnnxInput) -> Any:
    settings = dict(item.computation)
    kind = str(settings.pop("kind"))
    if kind not in BLOCKS:
        return front_end(item.computation)
    block = BLOCKS[kind](**settings)
    block.check()
    return block


def _check_digest(item: OnnxInput, digest: str, card: ModelCard) -> None:
    if item.digest != digest:
        raise ModelFileError(
            f"it was fitted with fusionser {card.versions.get('fusionser', '?')}, which computed {item.name} otherwise "
            "than this version; fit and export the model again, or install that version"
        )


def describe(card: OnnxCard) -> dict[str, str]:
    """Return the metadata of a file: the description, and what other programs need of it as plain entries.

    Parameters
    ----------
    card : OnnxCard
    """
    plain: dict[str, Any] = {"classes": list(card.model.classes), "sampling_rate": card.sampling_rate}
    if card.whole:
        plain["seconds"] = card.seconds
    inputs: Sequence[str] = [WAVEFORM] if card.whole else [item.name for item in card.inputs]
    return {
        METADATA: card.model_dump_json(),
        **{name: json.dumps(value) for name, value in plain.items()},
        "inputs": json.dumps(inputs),
    }
