"""The tables of README.md that have numbers: `python -m tools.readme` writes them from reports/."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fusionser.files import write_text
from fusionser.reporting.scores import score_interval
from fusionser.reporting.words import percent
from fusionser.results import Result, read_result
from tools.marked import with_parts

__all__ = ["best", "first_sentences", "results_table", "speed_table", "with_tables"]

ROOT = Path(__file__).resolve().parents[1]

BY_SPEAKER = "ravdess_speaker-kfold_inductive"
"""How the names of results begin that test all speakers of RAVDESS, in six folds."""

ONE_OUT = "emodb_leave-one-speaker-out_inductive"
"""How the names of results begin that leave one speaker of EMO-DB out at a time."""

TESS = "tess_leave-one-speaker-out_inductive"
"""How the names of results begin that leave one speaker of TESS out at a time."""

SONGS = "ravdess-song_speaker-kfold_inductive"
"""How the names of results begin that test all singers of RAVDESS song, in five folds."""

CREMA_D = "crema-d_speaker-kfold_inductive"
"""How the names of results begin that test all speakers of CREMA-D, in five folds."""

HEADLINE = "best, networks augmented, adjusted"
"""The preset `best` as its scores are given."""

HEADLINE_OF_CREMA_D = "best, 40 epochs, adjusted"

PUBLISHED = "ravdess_published-folds"
"""How the names of results begin that test all speakers of RAVDESS in published folds."""

ACROSS = "{}_6-classes_cross-corpus*_inductive"
"""How the names of results begin that learn from one corpus and test another."""

MOST_SENTENCES = 2

CHOSEN = "*Highest*"
"""What stands before the highest score of a study; the README explains it."""

IN_WORDS = {6: "six", 7: "seven", 8: "eight"}


def best(
    study: Path,
    begins: str,
    *,
    features: str = "",
    pretrained: bool | None = None,
    tested: str = "",
    split: str = "",
) -> Result:
    """Return the result of a study with the highest UAR, among those whose file names begin as given."""
    found = [read_result(path) for path in sorted((study / "cells").glob(f"{begins}_*.json"))]
    found = [one for one in found if features in ("", one.features_name)]
    found = [one for one in found if pretrained in (None, "pretrained" in one.protocol.known)]
    found = [one for one in found if tested in ("", *one.protocol.settings.get("test", ()))]
    found = [one for one in found if split in ("", one.protocol.settings.get("split_name"))]
    if not found:
        raise SystemExit(f"{study} has no result '{begins}' with {features or 'any features'}")
    return max(found, key=lambda one: one.pooled.uar)


def uar(result: Result) -> str:
    """Return the UAR of a result, with its interval, or why there is none."""
    few = f"no interval: {len(result.speakers)} speakers"
    return f"{percent(result.pooled.uar)} % ({few if result.intervals is None else score_interval(result, 'uar')})"


def made_of(result: Result) -> str:
    """Return the features of a result, and its classifier."""
    if result.classifier == "network-alone":
        return f"the network {result.features_name}"
    return f"{result.features_name} ({result.classifier})"


def _handcrafted(report: Path) -> str:
    ravdess, emodb = best(report, BY_SPEAKER), best(report, ONE_OUT)
    return f"{CHOSEN}: RAVDESS {uar(ravdess)}, {made_of(ravdess)}. EMO-DB {uar(emodb)}, {made_of(emodb)}."


def _fusionnet(report: Path) -> str:
    paper, top = best(report, BY_SPEAKER, features="ser-fusionnet"), best(report, BY_SPEAKER)
    return (
        f"RAVDESS, six folds. {CHOSEN} of the paper's design: {uar(paper)}, {paper.classifier}. "
        f"{CHOSEN} of all designs: {uar(top)}, {made_of(top)}."
    )


def _across(report: Path) -> str:
    there, back = (best(report, ACROSS.format("ravdess+emodb"), tested=name) for name in ("emodb", "ravdess"))
    return (
        f"Six emotions. {CHOSEN} from RAVDESS to EMO-DB {uar(there)}, {made_of(there)}; from EMO-DB to RAVDESS "
        f"{uar(back)}, {made_of(back)}."
    )


def _without_networks(report: Path) -> str:
    six, five = (best(report, PUBLISHED, split=split) for split in ("emobox", "five-folds"))
    emodb = best(report, ONE_OUT)
    made = list(dict.fromkeys(map(made_of, (six, five, emodb))))
    return (
        f"RAVDESS {uar(six)} on EmoBox's six folds, {uar(five)} on the five folds of Luna-Jiménez and others; "
        f"optimistic, since parameters were chosen on RAVDESS. EMO-DB {uar(emodb)}. "
        f"{'All by' if len(made) == 1 else 'By'} {', '.join(made)}; *late* is late fusion, and *short* are Fisher "
        "vectors of shorter stretches of sound."
    )


def _steps(report: Path) -> str:
    paper, robust, five = (
        best(report, PUBLISHED, split="five-folds", features=name) for name in ("ser-fusionnet", "robust", HEADLINE)
    )
    six = best(report, PUBLISHED, split="emobox", features=HEADLINE)
    emodb, emodb_best = (best(report, ONE_OUT, features=name) for name in ("robust", HEADLINE))
    crema_d, crema_d_best = (best(report, CREMA_D, features=name) for name in ("robust", HEADLINE_OF_CREMA_D))
    return (
        f"RAVDESS, the five folds of Luna-Jiménez and others: SER-FusionNet {uar(paper)}, `robust` "
        f"{uar(robust)}, and `best`, with augmented copies for its networks and logit adjustment, {uar(five)}, and "
        f"{uar(six)} on EmoBox's six folds; optimistic, since parts of it were chosen on RAVDESS. EMO-DB: `robust` "
        f"{uar(emodb)}, `best` {uar(emodb_best)}. CREMA-D, five folds by speaker: `robust` {uar(crema_d)}, `best` "
        f"without copies {uar(crema_d_best)}. Scores on EMO-DB and CREMA-D were seen while `robust` was developed. The "
        "classifiers learn from no copies because copies had lowered scores on the test folds of EMO-DB, so that score "
        "is optimistic, too."
    )


def _by_speaker(report: Path) -> str:
    begins = (PUBLISHED, ONE_OUT.removesuffix("_inductive"))
    ravdess, emodb = (best(report, f"{one}_speaker-normalised") for one in begins)
    return (
        f"Speaker-normalised, not inductive. {CHOSEN}: RAVDESS {uar(ravdess)}, {made_of(ravdess)}; EMO-DB "
        f"{uar(emodb)}, {made_of(emodb)}."
    )


def _elsewhere(report: Path) -> str:
    names = {"ravdess": "RAVDESS", "emodb": "EMO-DB", "tess": "TESS", "crema-d": "CREMA-D"}
    pairs = {"TESS, each speaker by a model trained on the other": _both(report, TESS)}
    for trained, tested in (
        *(("ravdess", name) for name in ("emodb", "tess", "crema-d")),
        *(("emodb", name) for name in ("ravdess", "tess")),
    ):
        begins = ACROSS.format("+".join(sorted((trained, tested), key=list(names).index)))
        pairs[f"{names[trained]} to {names[tested]}"] = _both(report, begins, tested)
    higher = sum(one.pooled.uar > robust.pooled.uar for robust, one in pairs.values())
    told = [f"{name}: `robust` {uar(robust)}, `best` {uar(one)}" for name, (robust, one) in pairs.items()]
    return (
        f"In {higher} of {len(pairs)} comparisons with the *highest* of `robust` (SVM or kernel ridge), without "
        f"augmented copies. {'. '.join(told)}."
    )


def _songs(report: Path) -> str:
    robust, one = _both(report, SONGS)
    return (
        f"RAVDESS song, new singers, without augmented copies: *highest* of `robust` ({robust.classifier}) "
        f"{uar(robust)}, `best` {uar(one)}."
    )


def _both(report: Path, begins: str, tested: str = "") -> tuple[Result, Result]:
    robust, one = (best(report, begins, features=name, tested=tested) for name in ("robust", "best"))
    return robust, one


def _embeddings(report: Path) -> str:
    alone, with_them = (best(report, BY_SPEAKER, pretrained=one) for one in (False, True))
    robust, compare = (best(report, BY_SPEAKER, features=one) for one in ("robust", "compare"))
    return (
        f"RAVDESS: {made_of(robust)} {uar(robust)}, {made_of(compare)} {uar(compare)}. {CHOSEN}: "
        f"{uar(alone)} without pretrained features, {made_of(alone)}; {uar(with_them)} with them, {made_of(with_them)}."
    )


def _included(report: Path) -> str:
    names = {"ravdess": "RAVDESS", "emodb": "EMO-DB", "tess": "TESS"}
    tested = [f"{shown} {uar(best(report, ACROSS.format(f'crema-d+{name}')))}" for name, shown in names.items()]
    return f"Six emotions. {', '.join(tested)}."


def first_sentences(report: Path) -> str:
    """Return the first sentences of what stands between the title of a report and its first picture or heading."""
    page = (report / "report.md").read_text(encoding="utf-8")
    body = page.partition("\n")[2].strip()
    first = re.split(r"\n(?=!\[|#|\||\*\*)", body, maxsplit=1)[0]
    points = [line.removeprefix("- ").strip() for line in first.splitlines() if line.startswith("- ")]
    if not first.startswith("- "):
        points = re.split(r"(?<=[.%])\s(?=[A-Z])", " ".join(first.partition("\n\n")[0].split()))
    return " ".join(points[:MOST_SENTENCES])


def _of_ravdess(report: Path) -> str:
    return f"RAVDESS. {first_sentences(report)}"


def _gap(report: Path) -> str:
    emotions = {len(read_result(path).classes) for path in (report / "cells").glob("*.json")}
    if len(emotions) != 1:
        raise SystemExit(f"{report} has results for {sorted(emotions)} emotions; expected one number")
    return f"RAVDESS, {IN_WORDS[emotions.pop()]} emotions. {first_sentences(report)}"


QUESTIONS: tuple[tuple[str, str, Callable[[Path], str]], ...] = (
    ("How accurate are handcrafted features, with the best of three classifiers?", "classical-baseline", _handcrafted),
    ("How accurate are Fisher vectors and functionals, without a network?", "fisher-vectors", _without_networks),
    ("How accurate is the preset `best`?", "accuracy", _steps),
    (
        "How accurate is `best` if each speaker is standardised by their own unlabelled clips?",
        "accuracy-speaker-normalised",
        _by_speaker,
    ),
    ("Is `best` better on other corpora, too?", "accuracy-elsewhere", _elsewhere),
    ("And on songs?", "accuracy-song", _songs),
    ("How accurate are SER-FusionNet and better designs?", "ser-fusionnet", _fusionnet),
    ("What does a random split add?", "protocol-gap", _gap),
    ("Do class weights or augmented copies help?", "imbalance-vs-augmentation/ravdess", _of_ravdess),
    ("Which figures of papers can be reproduced?", "reproduction", first_sentences),
    ("How accurate is a model on another corpus?", "in-the-wild", _across),
    ("Do openSMILE features and pretrained embeddings help?", "embeddings", _embeddings),
    ("How accurate is the included model elsewhere?", "included-model", _included),
    ("Which conditions change the answers?", "stress/default", first_sentences),
    ("Does a public split leak, such as EmoBox's list of CREMA-D?", "audits/crema-d", first_sentences),
    ("How accurate are time lines?", "timeline/emodb-2s", first_sentences),
)
"""Questions, each with the report that answers it, and what takes the answer from there."""

SPEEDS = (
    (
        "162 columns of features and 6 of statistics from a clip in memory, compared with one librosa call per feature",
        "extraction",
        "162 + 6 columns, from memory: librosa's",
    ),
    (
        "909 columns from a clip in memory, compared with openSMILE's emobase (988 columns)",
        "extraction",
        "wide set, from memory: openSMILE emobase's",
    ),
    ("features from the cache, compared with computing them", "caching", "known against computed"),
    ("six folds with six classifiers by two workers, compared with one", "studies", "one worker over two"),
    ("changing the pitch of a copy, compared with librosa", "augmentation", "pitch: librosa's time"),
    ("time line of an hour of speech, compared with its duration", "hours", "SVM on robust: an hour to JSON"),
    ("first answer of a new process, by an SVM on `robust`, without torch", "cold", "a first answer: SVM"),
    ("first answer of a new process, by a network in torch", "cold", "a first answer: log-mel-frames, by torch"),
    ("`fusionser --help`", "prediction", "fusionser --help"),
)
"""Lines of the table of speed: what it says, the part of the benchmarks, and how the name of the figure begins."""


def results_table(reports: Path) -> str:
    """Return the table of questions and answers."""
    lines = ["| question | answer | report |", "|---|---|---|"]
    lines += [
        f"| {asked} | {answer(reports / name)} | [{name}](reports/{name}/report.md) |"
        for asked, name, answer in QUESTIONS
    ]
    return "\n".join(lines)


def speed_table(reports: Path) -> str:
    """Return the table of speed."""
    lines = ["| what | measured |", "|---|---|"]
    for said, part, name in SPEEDS:
        lines.append(f"| {said} | {_figure(reports, part, name)} |")
    return "\n".join(lines)


def _figure(reports: Path, part: str, name: str) -> str:
    stored = json.loads((reports / "benchmarks" / "figures" / f"{part}.json").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = [one for one in stored["figures"] if one["what"].startswith(name)]
    if len(found) != 1:
        raise SystemExit(f"{len(found)} figures of '{part}' begin with '{name}'; expected one")
    unit = {"times": "times as fast"}.get(found[0]["unit"], found[0]["unit"])
    return f"{found[0]['value']:g} {unit}"


def with_tables(text: str, reports: Path) -> str:
    """Return README.md with its tables written anew."""
    return with_parts(text, {"results": results_table(reports), "speed": speed_table(reports)})


if __name__ == "__main__":
    readme = ROOT / "README.md"
    write_text(readme, with_tables(readme.read_text(encoding="utf-8"), ROOT / "reports"))
