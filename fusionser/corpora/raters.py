"""Labels by several raters: the one with most votes, and how far the raters agree."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fusionser.corpora.labels import LabelMap, fold_labels, rename_labels, respelt

__all__ = ["Vote", "krippendorff_alpha", "vote"]


@dataclass(frozen=True)
class Vote:
    """The outcome of a vote of raters on rows.

    Parameters
    ----------
    emotions : Series of str
        The label with more votes than any other; empty where there is none.
    counts : Series of str
        The number of votes for each label, as JSON.
    reasons : dict of int to str
        By the position of each row without such a label: its votes.
    agreement : float or None
        Krippendorff's alpha, see `krippendorff_alpha`.
    """

    emotions: pd.Series
    counts: pd.Series
    reasons: dict[int, str]
    agreement: float | None


def vote(rows: pd.DataFrame, raters: Sequence[str], labels: LabelMap, *, exact: bool = False) -> Vote:
    """Count the votes of raters. Emotions are renamed first, so that votes for what becomes one emotion add up.

    Parameters
    ----------
    rows : DataFrame
        With the column ``corpus``, and a column of labels for each rater. A rater may have left out rows.
    raters : sequence of str
        Names of these columns.
    labels : mapping
        A `LabelMap`.
    exact : bool, default=False
        Keep labels apart that differ only in case, blanks or Unicode form.

    Examples
    --------
    >>> rows = pd.DataFrame({"corpus": "x", "r1": ["sad", "angry"], "r2": ["Sad", "happy"], "r3": ["angry", None]})
    >>> found = vote(rows, ["r1", "r2", "r3"], {})
    >>> found.emotions.tolist(), found.reasons
    (['sad', ''], {1: 'angry 1, happy 1'})
    """
    long = pd.concat(
        [
            pd.DataFrame({"row": range(len(rows)), "corpus": rows["corpus"].to_numpy(), "emotion": _texts(rows[name])})
            for name in raters
        ],
        ignore_index=True,
    )
    long = long[long["emotion"] != ""]
    if not exact:
        long = long.assign(emotion=fold_labels(long["emotion"])[0])
        labels = respelt(labels, long["emotion"])
    long = long.assign(emotion=rename_labels(long, labels))
    votes = [Counter[str]() for _ in range(len(rows))]
    for place, emotion in zip(long["row"], long["emotion"], strict=True):
        votes[place][emotion] += 1
    emotions, reasons = [], {}
    for place, counts in enumerate(votes):
        first = counts.most_common(2)
        settled = bool(first) and (len(first) == 1 or first[0][1] > first[1][1])
        emotions.append(first[0][0] if settled else "")
        if not settled:
            reasons[place] = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
    texts = [json.dumps(dict(sorted(counts.items()))) for counts in votes]
    named, counted = (pd.Series(values, index=rows.index, dtype=object) for values in (emotions, texts))
    return Vote(named, counted, reasons, krippendorff_alpha(votes))


def _texts(values: pd.Series) -> list[str]:
    return ["" if pd.isna(value) else str(value).strip() for value in values]


def krippendorff_alpha(votes: Sequence[Counter[str]]) -> float | None:
    """Return Krippendorff's alpha for nominal labels: 1 is agreement, 0 what chance gives, below 0 disagreement.

    One minus the observed disagreement of pairs of votes on one row, divided by that of pairs of any two votes
    (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability").

    Parameters
    ----------
    votes : sequence of Counter
        Number of votes by label, for each row. Rows with fewer than two votes do not count.

    Returns
    -------
    float or None
        None if no row has two votes, or all votes are the same.

    Examples
    --------
    >>> krippendorff_alpha([Counter(sad=2), Counter(angry=2)]), krippendorff_alpha([Counter(sad=1)])
    (1.0, None)
    """
    paired = [counts for counts in votes if counts.total() > 1]
    totals = sum(paired, Counter[str]())
    number = totals.total()
    expected = number**2 - sum(count**2 for count in totals.values())
    if not expected:
        return None
    observed = sum(
        (counts.total() ** 2 - sum(count**2 for count in counts.values())) / (counts.total() - 1) for counts in paired
    )
    return 1.0 - (number - 1) * observed / expected
