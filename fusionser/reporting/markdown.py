"""Names of other people in Markdown pages: labels, files and speakers must neither break a table nor become HTML."""

import re
from typing import Any, TypeVar

from pydantic import BaseModel

from fusionser.spec import stored_elsewhere

__all__ = ["escape", "escaped", "one_line", "plain"]

Described = TypeVar("Described", bound=BaseModel)

UNSAFE = re.compile(r"[\\`|\[\]*~$]|(?<!\w)_+|_+(?!\w)")
"""Letters that Markdown, or a viewer with formulas, reads as more than letters. Inside a word, an underscore is one."""

ESCAPED = re.compile(r"`[^`\n]*`|\\([\\`|\[\]*~$_])|&(lt|amp);")
"""Code, where nothing is escaped, and what `escape` writes."""

COMMAND = "command"
"""Field with a command, which pages show as code, where nothing is escaped."""


def escape(text: str) -> str:
    r"""Return a text that Markdown shows as it is, on one line.

    Examples
    --------
    >>> escape("happy|<b>sad</b>")
    'happy\\|&lt;b>sad&lt;/b>'
    >>> escape("*star* $x$ ~so~ mfcc__mean_1 _so_")
    '\\*star\\* \\$x\\$ \\~so\\~ mfcc__mean_1 \\_so\\_'
    """
    whole = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return UNSAFE.sub(lambda found: "".join(f"\\{letter}" for letter in found[0]), whole)


def plain(page: str) -> str:
    r"""Return a Markdown page for a terminal: names are as they were before `escape`.

    Examples
    --------
    >>> plain(f"Trained on {escape('*star* &lt; _so_')}: `a\\*b`")
    'Trained on *star* &lt; _so_: `a\\*b`'
    """
    entities = {"lt": "<", "amp": "&"}
    return ESCAPED.sub(lambda found: found[1] or entities.get(found[2] or "", found[0]), page)


def one_line(text: str) -> str:
    r"""Return a text without line breaks and other characters that cannot be printed.

    Examples
    --------
    >>> one_line("a\nb")
    'a b'
    """
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split(" "))


def escaped(described: Described) -> Described:
    """Return a copy of a result or card whose texts, and names, Markdown shows as they are."""
    changed: Any = _escaped(described.model_dump(mode="json"))
    # It may name what a package registers that is not installed here.
    with stored_elsewhere():
        return type(described).model_validate(changed)


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {
            escape(name): one_line(item) if name == COMMAND and isinstance(item, str) else _escaped(item)
            for name, item in value.items()
        }
    return value
