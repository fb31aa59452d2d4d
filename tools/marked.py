"""Parts of a page that a command writes: what stands between a comment with its name, and one that ends it."""

import re

__all__ = ["MARKED", "with_parts"]

MARKED = re.compile(
    r"(<!-- (?P<name>\w+): written by [^\n]*-->\n)(?P<text>.*?)(\n<!-- end of (?P=name) -->)", re.DOTALL
)


def with_parts(text: str, parts: dict[str, str]) -> str:
    """Return a page with its marked parts written anew.

    Raises
    ------
    SystemExit
        If the page does not have each part once.
    """
    names = [found["name"] for found in MARKED.finditer(text)]
    for name in parts:
        if names.count(name) != 1:
            raise SystemExit(f"the page has {names.count(name)} places for '{name}'; expected one")
    return MARKED.sub(lambda found: f"{found[1]}{parts.get(found['name'], found['text'])}{found[4]}", text)
