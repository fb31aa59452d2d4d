"""Files of the repository outside docs/ that pages link to: they become part of the site, and links lead to them.

A link such as ``../reports/blocks/report.md`` works in a checkout. For the site, what it leads to is copied to
``docs/repository``, and the link is changed when the page is read.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
COPIES = DOCS / "repository"
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
INCLUDED = {
    ROOT / "CHANGELOG.md": DOCS / "project" / "changes.md",
    ROOT / "CONTRIBUTING.md": DOCS / "project" / "contributing.md",
    ROOT / "SECURITY.md": DOCS / "project" / "security.md",
    ROOT / "README.md": DOCS / "index.md",
}
"""Pages of the repository that a page of the site includes, or takes the place of."""
REPORTS = "reports/**/report.md"


def place(path: Path) -> Path:
    """Return where a file of the repository is in the site; scripts of the gallery have pages there."""
    if path == DOCS / "gallery":
        return DOCS / "auto_gallery" / "index.rst"
    if path.parent == DOCS / "gallery":
        return DOCS / "auto_gallery" / f"{path.stem}.rst"
    if path.is_relative_to(DOCS):
        return path
    return INCLUDED.get(path) or COPIES / path.relative_to(ROOT)


def with_links(text: str, folder: Path, shown_in: Path) -> str:
    """Return the text of a page that lies in `folder` of the repository with the links that fit where it is shown."""

    def moved(match: re.Match[str]) -> str:
        picture, name, link, anchor = match[1], match[2], match[3], match[4] or ""
        found = Path(os.path.normpath(folder / link))
        if not found.is_relative_to(ROOT) or not found.exists():
            return match[0]
        if found.is_dir() and not place(found).suffix:
            return name if "`" in name else f"`{name}`"
        if place(found).is_relative_to(COPIES):
            copy(found)
        return f"{picture}[{name}]({os.path.relpath(place(found), shown_in)}{anchor})"

    return LINK.sub(moved, text)


def copy(path: Path) -> None:
    """Copy a file into the site, a page with its links changed, unless it is there already."""
    goal = place(path)
    if goal.exists() and goal.stat().st_mtime >= path.stat().st_mtime:
        return
    goal.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".md":
        shutil.copy2(path, goal)
        return
    # Written before its links are followed, since pages link to each other.
    goal.write_text("", encoding="utf-8")
    text = with_links(path.read_text(encoding="utf-8"), path.parent, goal.parent)
    goal.write_text(f"---\norphan: true\n---\n{text}", encoding="utf-8")


def copy_pages(app: Sphinx, config: Config) -> None:
    """Copy all reports, and what else pages link to, since Sphinx looks for pages before it reads any."""
    del app, config
    for path in sorted(ROOT.glob(REPORTS)):
        copy(path)
    for path in [*INCLUDED, *DOCS.rglob("*.md")]:
        if not path.is_relative_to(COPIES):
            with_links(path.read_text(encoding="utf-8"), path.parent, place(path).parent)


def change_links(app: Sphinx, docname: str, source: list[str]) -> None:
    """Change the links of a page of docs/ that is about to be read."""
    path = Path(app.env.doc2path(docname))
    if path.suffix == ".md" and not path.is_relative_to(COPIES):
        source[0] = with_links(source[0], path.parent, path.parent)


def change_included_links(app: Sphinx, path: Path, docname: str, source: list[str]) -> None:
    """Change the links of a part of another page that a page includes."""
    del docname  # MyST gives it without its folder.
    shown_in = Path(app.env.doc2path(app.env.docname)).parent
    source[0] = with_links(source[0], (app.srcdir / path).resolve().parent, shown_in)


def setup(app: Sphinx) -> dict[str, Any]:
    """Copy pages before any is read, and change links as they are read."""
    app.connect("config-inited", copy_pages)
    app.connect("source-read", change_links)
    app.connect("include-read", change_included_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
