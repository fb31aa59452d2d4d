"""What pages under docs/ have from elsewhere: `python -m tools.pages` writes tables, figures and outputs of commands.

So pages read the same in the clone and on the site.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from fusionser.files import write_text
from tools.marked import MARKED, with_parts
from tools.outputs import alike, command_of, prepare, printed
from tools.page_parts import extras, gap, gap_scores, lesson, licences

__all__ = ["DOCS", "PARTS", "with_made_parts", "with_outputs"]

DOCS = Path(__file__).resolve().parents[1] / "docs"

PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "installation.md": {"extras": extras},
    "explanations/law-and-ethics.md": {"licences": licences},
    "explanations/speaker-splits.md": {"gap": gap, "scores": gap_scores},
    "tutorials/honest-evaluation.md": {"gap": lesson},
}
"""Pages, with the names of their parts and what makes these."""

WITH_OUTPUTS = ("tutorials/first-model.md", "tutorials/honest-evaluation.md", "how-to/read-an-answer-as-json.md")
"""Pages that show what commands print. They run in this order, since later ones use what earlier ones wrote."""


def with_made_parts(text: str, name: str) -> str:
    """Return a page of docs/ with its tables and figures written anew."""
    return with_parts(text, {part: made() for part, made in PARTS[name].items()})


def with_outputs(text: str, folder: Path) -> str:
    """Return a page with what its commands print in a folder; what differs only in durations stays."""
    places = [found for found in MARKED.finditer(text) if found["name"] == "output"]
    new = [printed(command_of(found["text"]), folder) for found in places]
    for found, output in reversed(list(zip(places, new, strict=True))):
        if not alike(found["text"], output):
            start, end = found.span("text")
            text = text[:start] + output + text[end:]
    return text


def main() -> None:
    """Write all of it."""
    for name in PARTS:
        page = DOCS / name
        write_text(page, with_made_parts(page.read_text(encoding="utf-8"), name))
    with TemporaryDirectory() as folder:
        prepare(Path(folder))
        for name in WITH_OUTPUTS:
            page = DOCS / name
            write_text(page, with_outputs(page.read_text(encoding="utf-8"), Path(folder)))


if __name__ == "__main__":
    main()
