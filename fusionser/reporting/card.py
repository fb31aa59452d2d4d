"""The card of a saved model: its training data, scores, purpose and limits, and where its use is restricted."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fusionser.corpora import CORPORA
from fusionser.dimension_results import DimensionResult
from fusionser.model import INCLUDED_MODEL, ModelCard, OnnxCard
from fusionser.names import TRIALS, corpus_text
from fusionser.page import training_text
from fusionser.reporting.dimensions import score_rows
from fusionser.reporting.markdown import escaped
from fusionser.reporting.page import render
from fusionser.reporting.scores import METRIC_NAMES, score_interval
from fusionser.reporting.settings import block_lines
from fusionser.reporting.words import calibration, percent, selection_text, stamp_texts, where_tested
from fusionser.results import BY_INNER_FOLDS, Result
from fusionser.studies.cells import with_defaults

FEWEST = 4
"""Fewest speakers whose quartiles are shown."""

__all__ = ["INCLUDED_RECORDINGS", "card_page", "export_text", "included_card", "like_results"]


INCLUDED_RECORDINGS = (
    "12 of the recordings were published WAV files, the others Opus copies (24 kbit/s) of published files, so the "
    "model may find other files of CREMA-D unlike its training recordings."
)
"""What the included model was trained on, and its scores were computed with."""


def like_results(card: ModelCard, results: Sequence[Result]) -> list[Result]:
    """Return the results of pipelines with the features, classifier and parameters of the model, adapted or not."""

    def settings_of(described: ModelCard | Result) -> dict[str, Any]:
        settings = with_defaults(described.classifier_settings, described.classifier)
        return {name: value for name, value in settings.items() if name != "adaptation"}

    return [
        result
        for result in results
        if (result.features, result.classifier) == (card.features, card.classifier)
        and settings_of(result) == settings_of(card)
    ]


def included_card() -> str:
    """Return the page of the included model."""
    return INCLUDED_MODEL.with_suffix(".md").read_text(encoding="utf-8")


def card_page(card: ModelCard, results: Sequence[Result] = (), recordings: str = "") -> str:
    """Return the Markdown page of a card.

    Parameters
    ----------
    card : ModelCard
    results : sequence of Result
        Further results of the same pipeline, such as on other corpora.
    recordings : str
        Which copies of the corpus the model was trained on, if they are not the published ones.
    """
    card, results = escaped(card), [escaped(result) for result in results]
    estimate, own = card.estimate, dict(card.classifier_settings)
    chosen = (
        selection_text(BY_INNER_FOLDS, own.pop(TRIALS, None))
        if card.spec is not None and card.spec.classifier.tune
        else ""
    )
    return render(
        "card.md.j2",
        card=card,
        recordings=recordings,
        tested="" if estimate is None else where_tested(estimate),
        training=training_text(card),
        corpus=corpus_text(card.corpus),
        corpora=[CORPORA[name].card for name in card.licences if name in CORPORA],
        blocks=block_lines([card]),
        block_notes=stamp_texts(card.notes),
        estimate=estimate,
        own=own,
        chosen=chosen,
        quartiles=_quartiles(estimate),
        rows=score_rows(estimate) if isinstance(estimate, DimensionResult) else [],
        estimate_notes=[] if estimate is None else stamp_texts([*estimate.protocol.stamps, *estimate.notes]),
        results=results,
        share=percent,
        percent=lambda scores, name: percent(getattr(scores, name)),
        interval=score_interval,
        calibration=calibration,
        metrics=METRIC_NAMES,
    )


def _quartiles(estimate: Result | DimensionResult | None) -> list[float]:
    """Return the smallest UAR of a test speaker, the quartiles, and the largest; nothing for fewer than four."""
    if not isinstance(estimate, Result) or len(estimate.speakers) < FEWEST:
        return []
    uars = [scores.uar for scores in estimate.speakers.values()]
    return np.percentile(uars, [0, 25, 50, 75, 100]).tolist()


def export_text(card: OnnxCard) -> str:
    """Return sentences about an ONNX file: what goes into it, and how it agrees with the model that it was made of.

    Parameters
    ----------
    card : OnnxCard
    """
    if card.whole:
        begins = f"begins with the waveform, at {card.sampling_rate} Hz"
    else:
        names = ", ".join(item.name for item in card.inputs)
        begins = f"begins with what is computed from a clip ({names}), because {card.because}"
    rounded = " Its weights are rounded to 8 bits." if card.int8 else ""
    found = card.agreement
    answers = "all answers are the same"
    if found.changed_answers:
        answers = f"{found.changed_answers} of {found.clips} answers differ"
    return (
        f"ONNX file: its graph {begins}.{rounded} On {found.clips} clips ({found.clips_from}) its probabilities differ "
        f"from the model's by up to {found.largest_difference:.1g}, and {answers}."
    )
