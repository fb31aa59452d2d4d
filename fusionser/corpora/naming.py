"""How the recordings of a corpus are named, as data of its card: a form with fields, and the values of each field."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import product
from pathlib import PurePath
from string import Formatter
from typing import Self

from pydantic import Field, model_validator

from fusionser.facts import Record

__all__ = ["Naming", "Values"]

Values = str | tuple[str, ...] | dict[str, str]
"""The values of a field: a list of all; a table of all, with what each stands for; or a regular expression."""


class Naming(Record):
    """The table ``[names]`` of a card.

    Parameters
    ----------
    form : str
        The name of a recording without its suffix, with fields in braces; with ``/``, also the names of the last
        folders. ``{label}`` and ``{speaker}`` must be among the fields. ``{statement}``, ``{intensity}`` and
        ``{gender}`` become columns, too; any other field only tells recordings apart. A field that occurs twice has
        the same value at both places.
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
        self._check_speakers()
        try:
            self.pattern(["label"])
        except re.error as error:
            raise ValueError(
                f"the regular expressions of the values do not fit together: {error}; a flag is given as (?i:...)"
            ) from error
        return self

    def _check_form(self) -> None:
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
        """Return the part of a path that the form describes: its last parts, without the suffix."""
        depth = self.form.count("/") + 1
        return "/".join([*path.parts[:-1], path.stem][-depth:])

    def meaning(self, found: Mapping[str, str]) -> dict[str, str]:
        """Return what the texts of the fields stand for, and the gender of the speaker."""
        meant = {field: _meaning(self.values.get(field, ()), text) for field, text in found.items()}
        for gender, speakers in self.gender.items():
            if _has(speakers, found["speaker"]):
                return meant | {"speaker": _meaning(speakers, found["speaker"]), "gender": gender}
        return meant

    def names(self, labels: Iterable[str]) -> Iterator[str]:
        """Yield every name of the form; none if the values of a field are a regular expression."""
        if any(isinstance(values, str) for values in (*self.values.values(), *self.gender.values())):
            return
        values: dict[str, Iterable[str]] = {**self.values, "label": labels}
        if self.gender:
            values["speaker"] = [name for speakers in self.gender.values() for name in speakers]
        for chosen in product(*(values[field] for field in self.fields)):
            yield self.form.format(**dict(zip(self.fields, chosen, strict=True)))


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
