"""What a corpus does otherwise than its card says: of its examples, and of the counts that its publishers state."""

from collections import Counter
from pathlib import PurePath

from fusionser.corpora import Corpus

COLUMNS = ("speaker", "gender", "emotion", "statement", "intensity")


def card_problems(corpus: Corpus) -> list[str]:
    """Return in one sentence each what is wrong; empty if nothing is."""
    card = corpus.card
    problems = [] if card.examples else ["the card has no examples; add examples = [{ path = ..., emotion = ... }]"]
    if corpus.parse(PurePath(card.example)) is None:
        problems.append(f"example '{card.example}' is no recording of the corpus")
    for example in card.examples:
        record = corpus.parse(PurePath(example.path))
        if record is None:
            problems.append(f"examples: '{example.path}' is no recording of the corpus")
            continue
        read = [(column, record.get(column), getattr(example, column)) for column in COLUMNS]
        problems += [
            f"examples: the {column} of '{example.path}' is read as {found!r}; stated: {stated!r}"
            for column, found, stated in read
            if found != stated
        ]
    problems += [
        f"others: '{path}' is read as a recording of the corpus"
        for path in card.others
        if corpus.parse(PurePath(path)) is not None
    ]
    return problems + _miscounted(corpus)


def _miscounted(corpus: Corpus) -> list[str]:
    """Compare the names that a rule gives with the counts of the card."""
    names = sorted(corpus.expected())
    counts = corpus.card.counts
    if not names:
        return []
    records = [record for name in names if (record := corpus.parse(PurePath(f"{name}.wav")))]
    # Where a folder has the label, the name alone is not read.
    problems = [_unlike("recordings", len(names), counts.files)]
    if records:
        people = Counter({record["speaker"]: record.get("gender") for record in records}.values())
        problems += [
            _unlike("names that are read", len(records), len(names)),
            _unlike("recordings by emotion", dict(Counter(record["emotion"] for record in records)), counts.emotions),
            _unlike("female speakers", people["female"], counts.female_speakers),
            _unlike("male speakers", people["male"], counts.male_speakers),
        ]
    return [problem for problem in problems if problem]


def _unlike(what: str, found: object, stated: object) -> str:
    return f"counts: {what}: the names give {found}; stated: {stated}" if stated and found != stated else ""
