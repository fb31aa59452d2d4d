"""How the recordings of a corpus are named, as data of its card: a form with fields, and the values of each field."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from math import prod
from pathlib import PurePath
from string import Formatter
from typing import Final, Self
from unicodedata import is_normalized, normalize

from pydantic import Field, model_validator

from fusionser.facts import Record
from fusionser.suffixes import AUDIO_SUFFIXES

__all__ = ["Naming", "Values", "check_composed"]

COMPOSED: Final = "NFC"
"""Form of Unicode in which names are compared."""

Values = str | tuple[str, ...] | dict[str, str]
"""The values of a field: a list of all; a table of all, with what each stands for; or a regular expression."""


class Naming(Record):
    """The table ``[names]`` of a card.

    Parameters
    ----------
    form : str
        The name of a recording without its suffix, with fields in braces; with ``/``, also the names of the last
        folders. It does not begin or end with ``/``, and is in composed Unicode, as all values are. ``{label}`` and
        ``{speaker}`` must be among the fields. ``{statement}``, ``{intensity}`` and ``{gender}`` become columns, too;
        any other field only tells recordings apart. A field that occurs twice has the same value at both places.
    values : dict of str to values
        The values of each field: a list of strings; a table from what is in the name to what stands in the column; or
        a regular expression, if the names do not follow a rule. The values of ``label`` are the labels of the card.
    gender : dict of str to values
        The values of ``speaker`` by gender, instead of those in `values`.

    Examples
    --------
    >>> naming = Naming(
    ...     form="{label}_{speaker}", values={}, gender={"female": ("f1", "f2"), "male": {"m1": "third"}}
    ... )
    >>> match = naming.pattern(["joy", "fear"]).fullmatch(naming.name_of(PurePath("any/joy_m1.wav")))
    >>> naming.meaning(match.groupdict())
    {'label': 'joy', 'speaker': 'third', 'gender': 'male'}
    >>> len(list(naming.names(["joy", "fear"])))
    6
    """

    form: str
    values: dict[str, Values] = Field(default_factory=dict)
    gender: dict[str, Values] = Field(default_factory=dict)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields of the form, each once."""
        return tuple(dict.fromkeys(field for _, field, *_ in Formatter().parse(self.form) if field is not None))

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_form()
        given = {*self.values, "label", *(["speaker"] if self.gender else [])}
        if without := [field for field in self.fields if field not in given]:
            raise ValueError(f"the form has the field '{without[0]}', and there are no values for it in [names.values]")
        if unused := [field for field in self.values if field not in self.fields]:
            raise ValueError(f"there are values for '{unused[0]}', which is not in the form '{self.form}'")
        if "label" in self.values:
            raise ValueError("there are values for 'label'; expected none, since they are the labels of the card")
        if self.gender and {"speaker", "gender"} & set(self.values):
            raise ValueError(
                "[names.gender] has the speakers by gender; expected no values for 'speaker' and 'gender' beside it"
            )
        for field, values in (*self.values.items(), *self.gender.items()):
            _check_values(field, values)
            for text in [values] if isinstance(values, str) else values:
                check_composed(f"a value of '{field}'", text)
        self._check_speakers()
        try:
            self.pattern(["label"])
        except re.error as error:
            raise ValueError(
                f"the regular expressions of the values do not fit together: {error}; a flag is given as (?i:...)"
            ) from error
        return self

    def _check_form(self) -> None:
        if "" in self.form.split("/") or "\\" in self.form:
            raise ValueError(
                f"the form is '{self.form}'; expected the names of folders with one / between them, and none at the "
                "beginning or the end, since it describes the last parts of a path"
            )
        if suffix := next((one for one in AUDIO_SUFFIXES if self.form.lower().endswith(one)), None):
            raise ValueError(
                f"the form is '{self.form}'; expected it without '{suffix}', since recordings may have any suffix"
            )
        check_composed("the form", self.form)
        try:
            parts = list(Formatter().parse(self.form))
        except ValueError as error:
            raise ValueError(f"the form is '{self.form}': {error}") from error
        for _, field, specification, conversion in parts:
            if field is not None and (specification or conversion or not field.isidentifier()):
                raise ValueError(f"the form has '{{{field}}}'; expected fields such as {{speaker}}")
        for field in ("label", "speaker"):
            if field not in self.fields:
                raise ValueError(f"the form is '{self.form}'; expected {{{field}}} in it")

    def _check_speakers(self) -> None:
        of_gender = [name for values in self.gender.values() if not isinstance(values, str) for name in values]
        if twice := [name for name in of_gender if of_gender.count(name) > 1]:
            raise ValueError(f"the speaker '{twice[0]}' has two genders in [names.gender]; expected one")

    def pattern(self, labels: Iterable[str]) -> re.Pattern[str]:
        """Return the regular expression of a name, with a group for each field."""
        expressions = {"label": _expression(tuple(labels))}
        expressions |= {field: _expression(values) for field, values in self.values.items()}
        if self.gender:
            expressions["speaker"] = "|".join(map(_expression, self.gender.values()))
        text, seen = "", set()
        for literal, field, *_ in Formatter().parse(self.form):
            text += re.escape(literal)
            if field is not None:
                text += f"(?P={field})" if field in seen else f"(?P<{field}>{expressions[field]})"
                seen.add(field)
        # Digits are those of published names, and no others.
        return re.compile(text, re.ASCII)

    def name_of(self, path: PurePath) -> str:
        """Return the part of a path that the form describes: its last parts, without the suffix, in composed form."""
        depth = self.form.count("/") + 1
        # macOS may write an accent as a character of its own.
        return normalize(COMPOSED, "/".join([*path.parts[:-1], path.stem][-depth:]))

    def meaning(self, found: Mapping[str, str]) -> dict[str, str]:
        """Return what the texts of the fields stand for, and the gender of the speaker."""
        meant = {field: _meaning(self.values.get(field, ()), text) for field, text in found.items()}
        for gender, speakers in self.gender.items():
            if _has(speakers, found["speaker"]):
                return meant | {"speaker": _meaning(speakers, found["speaker"]), "gender": gender}
        return meant

    def _listed(self, labels: Iterable[str]) -> dict[str, Sequence[str]] | None:
        """Return the values of each field; None if those of one are a regular expression."""
        if any(isinstance(values, str) for values in (*self.values.values(), *self.gender.values())):
            return None
        values: dict[str, Sequence[str]] = {field: list(listed) for field, listed in self.values.items()}
        if self.gender:
            values["speaker"] = [name for speakers in self.gender.values() for name in speakers]
        return values | {"label": list(labels)}

    def count(self, labels: Iterable[str]) -> int:
        """Return how many names the form has, without listing them; 0 if `names` yields none."""
        values = self._listed(labels)
        return 0 if values is None else prod(len(values[field]) for field in self.fields)

    def names(self, labels: Iterable[str]) -> Iterator[str]:
        """Yield every name of the form; none if the values of a field are a regular expression."""
        values = self._listed(labels)
        if values is None:
            return
        for chosen in product(*(values[field] for field in self.fields)):
            yield self.form.format(**dict(zip(self.fields, chosen, strict=True)))


def check_composed(what: str, text: str) -> None:
    """Raise `ValueError` if a text of a card has characters in two parts, such as a letter and its accent."""
    if not is_normalized(COMPOSED, text):
        raise ValueError(
            f"{what} is '{text}', with accents as characters of their own (decomposed Unicode); expected composed "
            f"Unicode ({COMPOSED}), which the names of recordings are compared in"
        )


def _check_values(field: str, values: Values) -> None:
    if isinstance(values, str):
        try:
            groups = re.compile(values).groups
        except re.error as error:
            raise ValueError(f"the regular expression of '{field}' is '{values}': {error}") from error
        if groups:
            raise ValueError(f"the regular expression of '{field}' is '{values}'; expected (?:...) for each (...)")
    elif len(set(values)) < max(len(values), 1):
        raise ValueError(f"the values of '{field}' are {list(values)}; expected at least one, and each once")


def _expression(values: Values) -> str:
    return f"(?:{values})" if isinstance(values, str) else "|".join(map(re.escape, values))


def _has(values: Values, text: str) -> bool:
    return re.fullmatch(values, text) is not None if isinstance(values, str) else text in values


def _meaning(values: Values, text: str) -> str:
    return values[text] if isinstance(values, Mapping) else text
