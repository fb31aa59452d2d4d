"""Feature blocks with parameters as text: ``opensmile[feature_set=emobase]``."""

import json
from typing import Any

from fusionser.errors import SettingsError

__all__ = ["block_of", "split_blocks"]

EXAMPLE = "opensmile[feature_set=emobase,name=emobase]"


def split_blocks(text: str) -> list[str]:
    """Split a list at its commas, but for those in brackets or quotation marks.

    Parameters
    ----------
    text : str

    Raises
    ------
    SettingsError
        If a bracket or a quotation mark is not closed.

    Examples
    --------
    >>> split_blocks("prosody, opensmile[feature_set=emobase,trim=true]")
    ['prosody', 'opensmile[feature_set=emobase,trim=true]']
    """
    parts, depth, quoted = [""], 0, False
    for sign in text:
        quoted ^= sign == '"'
        depth += 0 if quoted else (sign == "[") - (sign == "]")
        if depth < 0:
            break
        if sign == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    if depth or quoted:
        raise SettingsError(f"'{text}' has a bracket or quotation mark without its partner; expected {EXAMPLE}")
    return [part.strip() for part in parts if part.strip()]


def block_of(text: str) -> tuple[str, dict[str, Any]]:
    """Return the kind of a block, and its parameters; ``name`` among these is the prefix of its columns.

    Parameters
    ----------
    text : str
        The kind, and parameters in brackets. A value is JSON (a number, true, false, null, a list), or else text.

    Raises
    ------
    SettingsError
        If it has another form.

    Examples
    --------
    >>> block_of("opensmile[feature_set=emobase, trim=true]")
    ('opensmile', {'feature_set': 'emobase', 'trim': True})
    >>> block_of("mfcc")
    ('mfcc', {})
    """
    kind, bracket, rest = text.partition("[")
    if not bracket:
        return kind.strip(), {}
    if not rest.rstrip().endswith("]"):
        raise SettingsError(f"the block is '{text}'; expected {EXAMPLE}")
    parameters: dict[str, Any] = {}
    for part in split_blocks(rest.rstrip()[:-1]):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or not name.isidentifier() or not value or name in parameters:
            raise SettingsError(f"the block is '{text}', with '{part}'; expected each parameter once, as name=value")
        parameters[name] = _value(value)
    return kind.strip(), parameters


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
