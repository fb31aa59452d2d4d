"""Fonts for letters that the font of matplotlib lacks, such as those of Chinese names."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from fusionser.reporting.drawing import Figure, FontProperties, Text, findfont, font_manager, get_font

__all__ = ["lacking_letters", "with_letters"]

PLACEHOLDERS = ("lastresort", "adobeblank", "notdef")
"""Parts of the names of fonts that have a box for every letter."""

MOST_FONTS = 6
"""Most fonts that are added for the letters of a picture."""

EMBEDDED, DRAWN = (".ttf",), (".ttf", ".otf", ".ttc", ".otc")
"""Suffixes of fonts that a PDF can contain, and of those that a PNG can show."""


@lru_cache(maxsize=4096)
def _letters_of(file: str) -> frozenset[int]:
    """Return the letters that a font has; none if it cannot be read."""
    try:
        return frozenset(get_font(file).get_charmap())
    except (OSError, RuntimeError, ValueError):
        return frozenset()


def _lacking(figure: Figure) -> frozenset[int]:
    """Return the letters in a figure that its font lacks."""
    texts = {text.get_text() for text in figure.findobj(Text)}
    letters = {ord(letter) for text in texts for letter in text if letter.isprintable()}
    return frozenset(letters - _letters_of(str(findfont(FontProperties(family=["sans-serif"])))))


@lru_cache(maxsize=64)
def _fonts_with(letters: frozenset[int], suffixes: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[int]]:
    """Return names of installed fonts that have letters, and the letters that none of them has."""
    if not letters:
        return (), letters
    files = {
        font.name: str(font.fname)
        for font in sorted(font_manager().ttflist, key=lambda font: (font.name, font.style != "normal"), reverse=True)
        if str(font.fname).lower().endswith(suffixes)
        and not any(part in font.name.lower().replace(" ", "") for part in PLACEHOLDERS)
    }
    chosen: list[str] = []
    while letters and len(chosen) < MOST_FONTS:
        best = max(sorted(files), key=lambda name: len(letters & _letters_of(files[name])), default=None)
        if best is None or not letters & _letters_of(files[best]):
            break
        chosen.append(best)
        letters -= _letters_of(files[best])
    return tuple(chosen), letters


def _suffixes(name: str) -> tuple[str, ...]:
    return EMBEDDED if name == "pdf" else DRAWN


def lacking_letters(figure: Figure, name: str) -> str:
    """Return the letters in a figure that no installed font has, in order.

    Parameters
    ----------
    figure : Figure
    name : {"png", "pdf", "svg"}
        The format; SVG keeps all letters, for which its reader finds a font.
    """
    if name == "svg":
        return ""
    return "".join(map(chr, sorted(_fonts_with(_lacking(figure), _suffixes(name))[1])))


@contextmanager
def with_letters(figure: Figure, name: str) -> Iterator[None]:
    """Let the texts of a figure take letters that their font lacks from installed fonts, until the context ends."""
    added = () if name == "svg" else _fonts_with(_lacking(figure), _suffixes(name))[0]
    before = [(text, text.get_fontfamily()) for text in figure.findobj(Text)] if added else []
    for text, families in before:
        text.set_fontfamily([*families, *added])
    try:
        yield
    finally:
        for text, families in before:
            text.set_fontfamily(families)
