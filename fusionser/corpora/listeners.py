"""What human listeners answered to the recordings of a corpus, in the files that its authors published."""

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
        Its folder, or that of its recordings.

    Returns
    -------
    Heard or None
        None if no answers are known for this corpus, or if the file with them is not in the folder. That of CREMA-D is
        ``tabulatedVotes.csv``, as published, or gzipped. That of EMO-DB is ``listeners.csv``, with the columns
        ``utterance`` and ``recognised_percent``, which are those of the list on its site.

    Raises
    ------
    CorpusError
        If the file cannot be read, or lacks a column.
    """
    if corpus not in READERS:
        return None
    pattern, read = READERS[corpus]
    place = Path(folder)
    found = sorted(place.rglob(pattern)) or sorted(place.resolve().parent.glob(pattern))
    return read(found[0]) if found else None


def _crema_d(path: Path) -> Heard:
    letters = list(CREMA_D_LETTERS)
    table = _table(path, ["fileName", *letters])
    voice = table[table.iloc[:, 0].astype(str).str.startswith(VOICE)]
    answers = {letter: CORPORA["crema-d"].card.labels[label] for letter, label in CREMA_D_LETTERS.items()}
    rows = [
        {**meant, **{answers[letter]: float(row[letter]) for letter in letters}}
        for (_, row), meant in zip(voice.iterrows(), _meant("crema-d", voice["fileName"]), strict=True)
        if meant
    ]
    return _heard("crema-d", "voice alone", rows, path)


def _emodb(path: Path) -> Heard:
    table = _table(path, ["utterance", "recognised_percent"])
    rows = []
    for share, meant in zip(table["recognised_percent"], _meant("emodb", table["utterance"]), strict=True):
        if meant:
            right = float(share) / 100 * EMODB_LISTENERS
            rows.append({**meant, meant["emotion"]: right, "": EMODB_LISTENERS - right})
    return _heard("emodb", "recordings that at least 80 % of them recognised were published", rows, path)


READERS: Mapping[str, tuple[str, Callable[[Path], Heard]]] = {
    "crema-d": ("tabulatedVotes.csv*", _crema_d),
    "emodb": ("listeners.csv", _emodb),
}
"""For each corpus with answers of listeners: the form of the file's name, and its reader."""


def _table(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: the answers of the listeners cannot be read ({error})") from error
    if missing := [name for name in columns if name not in table]:
        raise CorpusError(
            f"{path}: got the columns {', '.join(map(str, table))}; expected {', '.join(missing)} among them"
        )
    numbers = table[columns[1:]].apply(pd.to_numeric, errors="coerce")
    if not (numbers.notna() & (numbers >= 0)).all(axis=None):
        raise CorpusError(f"{path}: the columns {', '.join(columns[1:])} hold what is no number of 0 or more")
    return table.assign(**{str(name): numbers[name] for name in numbers})


def _meant(corpus: str, names: pd.Series) -> Iterator[dict[str, str] | None]:
    """Yield the speaker and the emotion in the name of each recording."""
    for name in names:
        record = CORPORA[corpus].parse(PurePath(f"{name}.wav"))
        yield None if record is None else {key: record[key] for key in ("speaker", "emotion")}


def _heard(corpus: str, how: str, rows: list[dict[str, object]], path: Path) -> Heard:
    counts = pd.DataFrame(rows).fillna(0.0)
    if counts.empty:
        raise CorpusError(f"{path}: names no recording of {CORPORA[corpus].card.title}")
    answered = counts.drop(columns=["speaker", "emotion"]).sum(axis=1) > 0
    return Heard(corpus, how, counts[answered].reset_index(drop=True))
