"""The tables of README.md that have numbers: `python -m benchmarks.readme` writes them from reports/."""

import json
import re
from pathlib import Path
from typing import Any

from fusionser.files import write_text

__all__ = ["results_table", "speed_table", "with_tables"]

ROOT = Path(__file__).resolve().parents[1]

QUESTIONS = (
    ("How good are handcrafted features on new speakers?", "classical-baseline"),
    ("What do SER-FusionNet and better fusions reach without leaks?", "ser-fusionnet"),
    ("What does a random split add?", "protocol-gap"),
    ("Do class weights or augmented copies help?", "imbalance-vs-augmentation/ravdess"),
    ("Which figures of papers can be reached?", "reproduction"),
    ("What if another corpus is tested?", "in-the-wild"),
    ("Do the features of others help?", "embeddings"),
    ("How well does the included model do elsewhere?", "included-model"),
    ("Which conditions change the answers?", "stress/default"),
    ("Does a public split leak?", "audits/emodb"),
    ("How well are emotions followed over time?", "timeline/emodb-2s"),
)
"""Questions, each with the report that answers it."""

MOST_SENTENCES = 2

SPEEDS = (
    (
        "162 + 6 columns of a clip in memory, beside one librosa call per feature",
        "extraction",
        "162 + 6 columns, from memory: librosa's",
    ),
    (
        "909 columns of a clip in memory, beside openSMILE's emobase",
        "extraction",
        "wide set, from memory: openSMILE emobase's",
    ),
    ("features from the cache, beside computing them", "caching", "known against computed"),
    ("two workers beside one, six folds and six classifiers", "studies", "one worker over two"),
    ("pitch of a copy, beside librosa", "augmentation", "pitch: librosa's time"),
    ("an hour of speech to a time line, beside speaking it", "hours", "SVM on robust: an hour to JSON"),
    ("a first prediction, everything included", "cold", "a first answer: SVM"),
    ("`fusionser --help`", "prediction", "fusionser --help"),
)
"""Lines of the table of speed: what it says, the part of the benchmarks, and how the name of the figure begins."""


def results_table(reports: Path) -> str:
    """Return the table of questions, with the beginning of each report's answer."""
    lines = ["| question | answer | report |", "|---|---|---|"]
    lines += [
        f"| {asked} | {answer(reports / name)} | [{name}](reports/{name}/report.md) |" for asked, name in QUESTIONS
    ]
    return "\n".join(lines)


def answer(folder: Path) -> str:
    """Return the first sentences of what stands between the title of a report and its first picture or heading."""
    page = (folder / "report.md").read_text(encoding="utf-8")
    body = page.partition("\n")[2].strip()
    first = re.split(r"\n(?=!\[|#|\||\*\*)", body, maxsplit=1)[0]
    points = [line.removeprefix("- ").strip() for line in first.splitlines() if line.startswith("- ")]
    if not first.startswith("- "):
        points = re.split(r"(?<=[.%])\s(?=[A-Z])", " ".join(first.partition("\n\n")[0].split()))
    return " ".join(points[:MOST_SENTENCES])


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
    for name, table in (("results", results_table(reports)), ("speed", speed_table(reports))):
        text, count = re.subn(
            rf"(<!-- {name}: [^\n]*-->\n).*?(\n<!-- end of {name} -->)",
            lambda found, table=table: f"{found[1]}{table}{found[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise SystemExit(f"README.md has {count} places for the table of {name}; expected one")
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    write_text(readme, with_tables(readme.read_text(encoding="utf-8"), ROOT / "reports"))
