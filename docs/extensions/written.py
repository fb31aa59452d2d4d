"""Writing generated pages: those that did not change keep their time, so that Sphinx does not read them again."""

from collections.abc import Mapping
from pathlib import Path


def write_folder(folder: Path, pages: Mapping[str, str], kept: str = "") -> None:
    """Write pages by their names into a folder, and remove others, but for a folder of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in pages and path.name != kept:
            path.unlink()
    for name, text in pages.items():
        write_page(folder / name, text)


def write_page(path: Path, text: str) -> None:
    """Write a page if its text is new."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
