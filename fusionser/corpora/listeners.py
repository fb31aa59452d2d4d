"""What human listeners answered to the recordings of a corpus, in the files that its authors published."""

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import pandas as pd

from fusionser.errors import CorpusError
from fusionser.registry import CORPORA

__all__ = ["Heard", "read_listeners"]

VOICE = "1"
"""First digit of the rows of CREMA-D's votes by voice alone; the others are by face, and by both."""

CREMA_D_LETTERS = {"A": "ANG", "D": "DIS", "F": "FEA", "H": "HAP", "N": "NEU", "S": "SAD"}
"""Columns of CREMA-D's votes, and the same emotions in the names of its recordings."""

EMODB_LISTENERS = 20
EMODB_SELECTION = (
    "only recordings whose emotion at least 80 % of the listeners recognised were published, so the listeners' scores "
    "are high by selection"
)

OF_RECORDINGS = ("Audio", "wav")
"""Beginnings of the names of the folders, within those of the corpora, that have the recordings."""

MOST_ANSWERS = 1000
"""Most answers to a recording; published ones have tens."""

MOST_NAMED = 10
"""Most columns that an error names."""

REMEDY = "get the file as it is published, or remove it, and the study does without"


@dataclass(frozen=True)
class Heard:
    """The answers of human listeners to the recordings of a corpus.

    Parameters
    ----------
    corpus : str
    how : str
        What they heard, for readers.
    counts : DataFrame, one row per recording
        The columns ``speaker`` and ``emotion``, and one for each emotion: how many listeners answered it. The column
        ``""`` counts answers that are not known, but wrong.
    """

    corpus: str
    how: str
    counts: pd.DataFrame


def read_listeners(corpus: str, folder: str | Path) -> Heard | None:
    """Read what listeners answered to the recordings of a corpus.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    folder : str or Path
        Its folder, or the one in it that has the recordings.

    Returns
    -------
    Heard or None
        None if no answers are known for this corpus, or if the file with them is not in the folder. That of CREMA-D is
        ``processedResults/tabulatedVotes.csv``, as published, or gzipped. That of EMO-DB is ``listeners.csv``, with the
        columns ``utterance`` and ``recognised_percent``, as in the list on its site.

    Raises
    ------
    CorpusError
        If the file cannot be read, or holds something else.
    """
    if corpus not in READERS:
        return None
    names, read = READERS[corpus]
    place = Path(folder)
    folders = [place, place.resolve().parent] if place.name.startswith(OF_RECORDINGS) else [place]
    found = next((path for one in folders for name in names if (path := one / name).is_file()), None)
    return read(found) if found else None


def _crema_d(path: Path) -> Heard:
    letters = list(CREMA_D_LETTERS)
    table = _table(path, "fileName", letters, MOST_ANSWERS)
    if table.columns[0] in ("fileName", *letters):
        raise CorpusError(
            f"{path}: the first column is '{table.columns[0]}'; expected numbers, whose first digit tells votes by "
            f"voice from those by face; {REMEDY}"
        )
    voice = table[table.iloc[:, 0].astype(str).str.startswith(VOICE)]
    answers = {letter: CORPORA["crema-d"].card.labels[label] for letter, label in CREMA_D_LETTERS.items()}
    rows = [
        {**meant, **{answers[letter]: float(row[letter]) for letter in letters}}
        for (_, row), meant in zip(voice.iterrows(), _meant("crema-d", voice["fileName"]), strict=True)
        if meant
    ]
    return _heard("crema-d", "voice alone", rows, path)


def _emodb(path: Path) -> Heard:
    table = _table(path, "utterance", ["recognised_percent"], 100)
    rows = []
    for share, meant in zip(table["recognised_percent"], _meant("emodb", table["utterance"]), strict=True):
        if meant:
            right = float(share) / 100 * EMODB_LISTENERS
            rows.append({**meant, meant["emotion"]: right, "": EMODB_LISTENERS - right})
    return _heard("emodb", EMODB_SELECTION, rows, path)


VOTES = "tabulatedVotes.csv"

READERS: Mapping[str, tuple[tuple[str, ...], Callable[[Path], Heard]]] = {
    "crema-d": ((f"processedResults/{VOTES}", f"processedResults/{VOTES}.gz", VOTES, f"{VOTES}.gz"), _crema_d),
    "emodb": (("listeners.csv",), _emodb),
}
"""For each corpus with answers of listeners: where the file can be, and its reader."""


def _table(path: Path, name: str, columns: list[str], most: float) -> pd.DataFrame:
    """Return a table with a column of names, each once, and columns of numbers from 0 to `most`."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise CorpusError(f"{path}: the answers of the listeners cannot be read ({error}); {REMEDY}") from error
    if missing := [column for column in (name, *columns) if column not in table]:
        got = ", ".join(map(str, table.columns[:MOST_NAMED])) + (", ..." if len(table.columns) > MOST_NAMED else "")
        raise CorpusError(f"{path}: got the columns {got}; expected {', '.join(missing)} among them; {REMEDY}")
    numbers = table[columns].apply(pd.to_numeric, errors="coerce")
    if not (numbers.ge(0) & numbers.le(most)).all(axis=None):
        raise CorpusError(
            f"{path}: the columns {', '.join(columns)} hold what is no number from 0 to {most:g}; {REMEDY}"
        )
    return table.assign(**{str(column): numbers[column] for column in numbers})


def _meant(corpus: str, names: pd.Series) -> Iterator[dict[str, str] | None]:
    """Yield the speaker and the emotion in the name of each recording; None for other names, and repeated ones."""
    seen: set[str] = set()
    for name in names:
        record = CORPORA[corpus].parse(PurePath(f"{name}.wav"))
        known = record is None or record["id"] in seen
        yield None if record is None or known else {key: record[key] for key in ("speaker", "emotion")}
        if record is not None:
            seen.add(record["id"])


def _heard(corpus: str, how: str, rows: list[dict[str, object]], path: Path) -> Heard:
    answered = [row for row in rows if any(isinstance(value, float) and value > 0 for value in row.values())]
    if not answered:
        raise CorpusError(f"{path}: has no answer to a recording of {CORPORA[corpus].card.title}; {REMEDY}")
    return Heard(corpus, how, pd.DataFrame(answered).fillna(0.0))
