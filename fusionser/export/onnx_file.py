"""Write a model as an ONNX file, after a comparison of the two."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.export import Dim

from fusionser.checks import check_range
from fusionser.corpora.demo import SAMPLING_RATE, Demo, synthesise
from fusionser.errors import ExportError, FusionserError, SettingsError
from fusionser.export.graph import GENDER, WAVEFORM, ModelGraph, input_name, whole_obstacle
from fusionser.features.external.columns import GivenColumns
from fusionser.features.extraction import Progress
from fusionser.features.inputs import object_column
from fusionser.features.maps import FrontEnd
from fusionser.files import write_bytes
from fusionser.folders import brief_folder
from fusionser.likeness import pack_unlikeness
from fusionser.model import FEATURES, Agreement, Model, OnnxCard, OnnxInput, OnnxModel, describe
from fusionser.model.whole_waveform import WholeWaveform
from fusionser.onnx_session import need_runtime
from fusionser.quiet import quiet
from fusionser.results import versions
from fusionser.rows import check_rows

__all__ = ["COMPARED_CLIPS", "LARGEST_DIFFERENCE", "export_onnx", "synthetic_clips"]

COMPARED_CLIPS = 64
"""Number of clips that the file and the model must agree on."""

LARGEST_DIFFERENCE = 1e-4
"""Largest difference of a probability at which they agree, by default."""

MOST_TOLERANCE = 0.01
"""Largest difference that can be allowed instead."""

OPSET = 18
SYNTHETIC = "synthetic voices"


def export_onnx(
    model: Model,
    path: str | Path,
    *,
    clips: pd.DataFrame | None = None,
    int8: bool = False,
    tolerance: float = LARGEST_DIFFERENCE,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> OnnxCard:
    """Write a model as an ONNX file, if the file gives the same probabilities and answers as the model.

    The graph begins with the waveform if everything that the model computes can be part of it, and gives the same
    probabilities there, and else with what is computed from the clip (`OnnxCard.because` says why).

    Parameters
    ----------
    model : Model
    path : str or Path
    clips : DataFrame, optional
        Rows of clips to compare on, of which 64 are used; where they are fewer, synthetic voices are added.
    int8 : bool, default=False
        Round the weights to 8 bits. The file then differs from the model; `OnnxCard.agreement` says by how much.
    tolerance : float, default=1e-4
        Largest difference of a probability, 0 to 0.01. The tuning of chroma, the most frequent of a hundred, can be
        another one in a graph, which changes probabilities by some 0.0005 in a few clips of a hundred.
    n_jobs : int, optional
        Number of processes that decode the clips.
    progress : callable, optional
        Called with the number of comparisons done, and their total.

    Returns
    -------
    OnnxCard

    Raises
    ------
    ExportError
        If the probabilities differ by more than `tolerance`, or an answer differs. Nothing is written.
    SettingsError
        If `tolerance` is out of range, a part of the model cannot be exported, or a package for it is not installed.
    """
    model.card.check_classes("an ONNX file")
    _check_waveform_only(model)
    check_range("tolerance", tolerance, 0, MOST_TOLERANCE)
    need_runtime()
    _need_onnx()
    compared, own = _compared(clips, model.needs_gender)
    expected = model.predict(compared, n_jobs=n_jobs, progress=progress)
    good = (expected["error"] == "").to_numpy()
    usable, source = compared[good].reset_index(drop=True), _source(int(good[:own].sum()), int(good[own:].sum()))
    if usable.empty:
        raise ExportError(f"none of the clips to compare on can be used; the first: {expected['error'].iloc[0]}")
    expected = expected[expected["error"] == ""].reset_index(drop=True)
    because = whole_obstacle(model)
    content, card, agreement = _converted(model, because, usable, expected, source, n_jobs)
    if not because and not _agree(agreement, tolerance):
        because = (
            "with the columns that a graph computes from it, probabilities differ by up to "
            f"{agreement.largest_difference:.2g}"
        )
        content, card, agreement = _converted(model, because, usable, expected, source, n_jobs)
    if not _agree(agreement, tolerance):
        raise ExportError(
            f"the file and the model do not agree: of {agreement.clips} clips ({source}), "
            f"{agreement.changed_answers} have another answer, and probabilities differ by up to "
            f"{agreement.largest_difference:.2g}; expected at most {tolerance:g}. Nothing was written"
        )
    if int8:
        content = _rounded(content)
        card = card.model_copy(update={"int8": True})
        agreement = _agreement(_with_card(content, card), usable, expected, source, n_jobs)
    card = card.model_copy(update={"agreement": agreement})
    write_bytes(path, _with_card(content, card))
    return card


def _check_waveform_only(model: Model) -> None:
    """Raise `SettingsError` if a model reads more than the recording, and the gender."""
    if columns := [name for _, block in model.pipeline[FEATURES].blocks for name in _own_columns(block)]:
        raise SettingsError(
            "an ONNX file takes a waveform, and this model also reads columns of a table "
            f"({', '.join(columns[:8])}); use 'fusionser predict', or fit a model without --columns"
        )


def _own_columns(block: Any) -> list[str]:
    return block.row_columns() if isinstance(block, GivenColumns) else []


def _converted(
    model: Model, because: str, rows: pd.DataFrame, expected: pd.DataFrame, source: str, n_jobs: int | None
) -> tuple[bytes, OnnxCard, Agreement]:
    """Return the content of a file, its description, and how it agrees with the model."""
    graph = ModelGraph(model, whole=not because).eval()
    content, card = _graph_bytes(graph), _card(model, graph, because)
    return content, card, _agreement(_with_card(content, card), rows, expected, source, n_jobs)


def _agree(agreement: Agreement, tolerance: float) -> bool:
    return agreement.largest_difference <= tolerance and agreement.changed_answers == 0


def _need_onnx() -> None:
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            "exporting needs onnx and onnxscript, which are not installed; install them with: pip install "
            '"fusionser[onnx]"'
        ) from error


def _source(recordings: int, made: int) -> str:
    """Return in words where the clips come from that were compared."""
    if not made:
        return "recordings"
    if not recordings:
        return SYNTHETIC
    return f"{recordings} recording{'' if recordings == 1 else 's'} and {SYNTHETIC}"


def _compared(clips: pd.DataFrame | None, gender: bool) -> tuple[pd.DataFrame, int]:
    """Return the rows to compare on, and how many of them, which come first, were given."""
    given = pd.DataFrame({"file": []}) if clips is None else check_rows(clips)
    places = np.unique(np.linspace(0, max(len(given) - 1, 0), min(len(given), COMPARED_CLIPS)).astype(int))
    own = given.iloc[places] if len(given) else given
    lacking = COMPARED_CLIPS - len(own)
    if not lacking:
        return own.reset_index(drop=True), len(own)
    made = check_rows(synthetic_clips(lacking))
    if not gender:
        made = made.assign(gender="")
    return (pd.concat([own, made], ignore_index=True) if len(own) else made), len(own)


def synthetic_clips(count: int) -> pd.DataFrame:
    """Return rows of synthetic voices: ``file``, ``waveform``, ``sampling_rate`` and ``gender``.

    Parameters
    ----------
    count : int

    Examples
    --------
    >>> synthetic_clips(3)["gender"].tolist()
    ['female', 'female', 'male']
    """
    names = sorted(Demo().expected())
    chosen = [names[place] for place in np.linspace(0, len(names) - 1, count).astype(int)]
    waveforms = []
    for number, name in enumerate(chosen):
        _, speaker, emotion, statement, _ = name.split("_")
        samples = synthesise(speaker, emotion, statement, np.random.default_rng([1, number]))
        waveforms.append(samples.astype(np.float32))
    return pd.DataFrame(
        {
            "file": [f"{SYNTHETIC} {number}" for number in range(count)],
            "waveform": object_column(waveforms),
            "sampling_rate": SAMPLING_RATE,
            "gender": ["female" if name.split("_")[1].startswith("f") else "male" for name in chosen],
        }
    )


def _graph_bytes(graph: ModelGraph) -> bytes:
    """Return a module as the content of an ONNX file, without a description."""
    example = _example(graph)
    # The batch, and the samples of a waveform, may have any size.
    sizes = [{0: Dim.DYNAMIC, 1: Dim.DYNAMIC} if name == WAVEFORM else {0: Dim.DYNAMIC} for name in graph.inputs]
    try:
        with warnings.catch_warnings(), quiet(), torch.no_grad():
            warnings.simplefilter("ignore")
            program: Any = torch.onnx.export(
                graph,
                tuple(example),
                dynamo=True,
                input_names=graph.inputs,
                output_names=["probabilities", "answer"],
                dynamic_shapes=(tuple(sizes),),
                opset_version=OPSET,
                verbose=False,
            )
    except FusionserError:
        raise
    except Exception as error:
        # The exporter raises errors of many kinds for what it cannot express.
        reason = str(error).strip().splitlines()[-1][:200] if str(error).strip() else ""
        raise ExportError(
            f"the model cannot be expressed in ONNX ({type(error).__name__}: {reason}); nothing was written"
        ) from error
    proto = program.model_proto
    _strip(proto)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _example(graph: ModelGraph) -> list[torch.Tensor]:
    """Return two clips of noise, as inputs."""
    generator = torch.Generator().manual_seed(0)
    sizes = {} if graph.whole else _sizes(graph)
    if graph.whole:
        heard = [item for item in graph.computations.values() if item.uses_audio]
        seconds = 1.0 + max(item.offset + (item.duration or 0.0) for item in heard)
        sizes[WAVEFORM] = (int(seconds * heard[0].sampling_rate) + max(item.n_fft for item in heard),)
        sizes[GENDER] = (1,)
    return [0.1 * torch.randn((2, *sizes[name]), generator=generator) for name in graph.inputs]


def _sizes(graph: ModelGraph) -> dict[str, tuple[int, ...]]:
    """Return the shape of each input for one clip."""
    return {
        input_name(name, speed): item.array_shape() if isinstance(item, FrontEnd) else (len(item.names()),)
        for name, item in graph.computations.items()
        for speed in (1.0, *graph.speeds[name])
    }


def _strip(proto: Any) -> None:
    """Remove what the exporter notes about this machine: paths of source files, and stack traces."""
    proto.doc_string = ""
    del proto.metadata_props[:]
    parts = [proto.graph, *proto.functions]
    while parts:
        part = parts.pop()
        items = [*part.node, *part.value_info, *getattr(part, "initializer", []), *getattr(part, "input", [])]
        for item in [part, *items, *getattr(part, "output", [])]:
            # Inputs and outputs of functions are plain names.
            if not isinstance(item, str):
                item.doc_string = ""
                del item.metadata_props[:]
        parts += [attribute.g for node in part.node for attribute in node.attribute if attribute.HasField("g")]


def _card(model: Model, graph: ModelGraph, because: str) -> OnnxCard:
    inputs = [
        OnnxInput(
            name=input_name(name, speed), block=name, computation=item.settings(), digest=item.digest(), speed=speed
        )
        for name, item in graph.computations.items()
        for speed in (1.0, *(() if graph.whole else graph.speeds[name]))
    ]
    heard = [item for item in graph.computations.values() if item.uses_audio]
    rates = {item.sampling_rate for item in heard}
    known = model.unlikeness
    return OnnxCard(
        model=model.card,
        whole=graph.whole,
        because=because,
        inputs=inputs,
        sampling_rate=rates.pop() if graph.whole else None,
        seconds=WholeWaveform.of(heard).duration if graph.whole else None,
        agreement=Agreement(clips=0, clips_from="", largest_difference=0.0, changed_answers=0),
        unlikeness=None if known is None else pack_unlikeness(known).decode(),
        versions={name: value for name, value in versions().items() if name in ("python", "fusionser", "torch")},
    )


def _with_card(content: bytes, card: OnnxCard) -> bytes:
    """Return the content of a file with its description."""
    import onnx

    proto = onnx.load_from_string(content)
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, _sorted(describe(card)))
    whole: bytes = proto.SerializeToString(deterministic=True)
    return whole


def _sorted(entries: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(entries.items()))


def _agreement(
    content: bytes, rows: pd.DataFrame, expected: pd.DataFrame, source: str, n_jobs: int | None
) -> Agreement:
    """Compare what a file and the model that it was made of answer."""
    loaded = OnnxModel(content)
    answers = loaded.predict(rows, n_jobs=n_jobs)
    if (answers["error"] != "").any():
        raise ExportError(
            f"the file refuses a clip that the model answers: {answers['error'].max()}; nothing was written"
        )
    columns = _probabilities(loaded.card.classes)
    differences = np.abs(answers[columns].to_numpy(dtype=float) - expected[columns].to_numpy(dtype=float))
    return Agreement(
        clips=len(rows),
        clips_from=source,
        largest_difference=float(differences.max()),
        changed_answers=int((answers["emotion"] != expected["emotion"]).sum()),
    )


def _probabilities(classes: Sequence[str]) -> list[str]:
    return [f"probability_{name}" for name in classes]


def _rounded(content: bytes) -> bytes:
    """Return a graph whose weights are rounded to 8 bits."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with brief_folder() as folder, quiet():
        given, made = folder / "float.onnx", folder / "int8.onnx"
        onnx.save(onnx.load_from_string(content), given)
        quantize_dynamic(given, made, weight_type=QuantType.QInt8)
        return made.read_bytes()
