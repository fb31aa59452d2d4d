"""What human listeners recognised, beside the best results on the same corpora."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fusionser.corpora.labels import renamed_labels
from fusionser.evaluation.metrics import recalls, speaker_intervals, unweighted_average_recall
from fusionser.names import INDUCTIVE
from fusionser.reporting.settings import where_measured
from fusionser.reporting.tables.best_results import taken_for, wrong_answers, wrong_answers_text
from fusionser.reporting.tables.cells import NOTHING, PERCENT, facts_of, protocol_notes, score, share, with_interval
from fusionser.reporting.tables.table import Cell, Column, Row, Table
from fusionser.reporting.words import counted
from fusionser.results import Result
from fusionser.studies.listeners import Listeners

__all__ = ["beside_listeners", "listeners_lines", "listeners_table"]

UAR = "UAR"

Matrix = npt.NDArray[np.float64]


def beside_listeners(heard: Sequence[Listeners], best: Sequence[Result]) -> list[tuple[Listeners, Result]]:
    """Return the best results that can stand beside the listeners' answers, with those for the tested speakers.

    The results are inductive, by speaker, and have all emotions of one corpus, under their own names.
    """
    return [
        (one.of_speakers(result.speakers), result)
        for one in heard
        for result in best
        if result.corpora == (one.corpus,)
        and sorted(result.classes) == sorted(one.emotions)
        and not renamed_labels(result.notes)
        and result.protocol.speaker_independent
        and result.protocol.setting == INDUCTIVE
        and result.speakers
        and result.speakers.keys() <= one.one.keys()
    ]


def listeners_table(pairs: Sequence[tuple[Listeners, Result]], report: str) -> Table:
    """Return the recall of each emotion by listeners and by the best result, and what both took it for.

    Parameters
    ----------
    pairs : sequence of (Listeners, Result)
        Those of `beside_listeners`.
    report : str
        Name of the study.
    """
    columns = [
        Column(name="corpus and protocol"),
        Column(name="emotion"),
        Column(name="one listener", measure="recall_one_listener"),
        Column(name="most listeners", measure="recall_most_listeners"),
        Column(name="best result", measure="recall"),
        Column(name="listeners often took it for"),
        Column(name="best result often took it for"),
    ]
    rows = [Row(cells, facts_of(result)) for heard, result in pairs for cells in _rows(heard, result)]
    notes = [PERCENT, *protocol_notes(*(result for _, result in pairs))]
    caption = "Compared with human listeners"
    return Table(name="listeners", report=report, caption=caption, notes=notes, columns=columns, rows=rows)


def _rows(heard: Listeners, result: Result) -> list[list[Cell | str]]:
    one, most = _matrices(heard.one), _matrices(heard.most)
    where = _where(result)
    rows: list[list[Cell | str]] = [
        [
            where,
            emotion,
            _recall(one, heard.emotions.index(emotion)),
            _recall(most, heard.emotions.index(emotion)),
            share(result.per_class[emotion].recall),
            _often(heard, one, emotion),
            wrong_answers_text(taken_for(result, emotion)),
        ]
        for emotion in result.classes
    ]
    return [*rows, [where, UAR, _uar(one), _uar(most), with_interval(score(result, "uar")), NOTHING, NOTHING]]


def _matrices(stored: Mapping[str, list[list[float]]]) -> dict[str, Matrix]:
    return {speaker: np.asarray(matrix, dtype=np.float64) for speaker, matrix in stored.items()}


def _recall(matrices: Mapping[str, Matrix], place: int) -> Cell:
    return share(float(recalls(_pooled(matrices))[place])) if matrices else NOTHING


def _uar(matrices: Mapping[str, Matrix]) -> Cell:
    if not matrices:
        return NOTHING
    intervals = speaker_intervals(matrices)
    interval = None if intervals is None else intervals["uar"]
    return with_interval(share(float(unweighted_average_recall(_pooled(matrices))), interval))


def _pooled(matrices: Mapping[str, Matrix]) -> Matrix:
    return np.sum(list(matrices.values()), axis=0)


def _often(heard: Listeners, one: Mapping[str, Matrix], emotion: str) -> str | Cell:
    """Return the most frequent wrong answers of listeners, where they are known, and their shares."""
    if not heard.most:
        return NOTHING
    place = heard.emotions.index(emotion)
    return wrong_answers_text(wrong_answers(_pooled(one)[place, : len(heard.emotions)], place, heard.emotions))


def listeners_lines(pairs: Sequence[tuple[Listeners, Result]]) -> list[str]:
    """Return what the listeners heard, a line for each corpus and protocol."""
    lines = []
    for heard, result in pairs:
        count = round(float(_pooled(_matrices(heard.one)).sum()))
        more = f" ({count - result.rows} of them set aside here)" if count > result.rows else ""
        lines.append(
            f"{where_measured(result)}: {count} recordings of the {counted(len(heard.one), 'tested speaker')}{more}, "
            f"{heard.answers:.1f} answers each; {heard.how}."
        )
    return list(dict.fromkeys(lines))


def _where(result: Result) -> str:
    known = result.protocol.known
    return where_measured(result) if known == INDUCTIVE else f"{where_measured(result)}, {known}"
