"""Groups of options: a command takes a group as one argument, and typer sees its single options."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any, ClassVar, get_type_hints

import typer
from typer.models import OptionInfo

from fusionser.errors import SettingsError

from .naming import EVERYTHING, HELP_ALL, completion


def option(
    text: str, default: Any = None, flag: str | None = None, panel: str | None = None, main: bool = False, **more: Any
) -> Any:
    """Return a field of a group: the help, the default, the flag where the field's name does not give it.

    `panel` is the heading in the help; without one, the group's heading is used. ``--help`` shows `main` options, and
    ``--help-all`` all; if a command has no main one, both show all.
    """
    more.setdefault("autocompletion", completion(text))
    return typer.Option(default, *([flag] if flag else []), help=text, rich_help_panel=panel, hidden=not main, **more)


def names(text: str | None, flag: str) -> list[str]:
    """Split the comma-separated list that an option gives, if it is given; raise `SettingsError` if it is empty."""
    if text is None:
        return []
    from fusionser.block_text import split_blocks

    found = split_blocks(text) if flag == "--blocks" else [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise SettingsError(f"{flag} is '{text}'; expected names, separated by commas, or leave the option out")
    return found


class Group:
    """Options of a command: each annotated attribute is an option, or another group.

    `panel` is the heading of the options in the help.
    """

    panel: ClassVar[str | None] = None

    def __init__(self, **given: Any) -> None:
        vars(self).update(given)

    @classmethod
    def members(cls) -> dict[str, Any]:
        """Return the types of the options and groups, by name."""
        return {name: kind for name, kind in get_type_hints(cls).items() if name != "panel"}


def _is_group(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Group)


def _parameters(group: type[Group]) -> Iterator[inspect.Parameter]:
    """Yield the options of a group, and of the groups in it, as parameters for typer."""
    for name, kind in group.members().items():
        if _is_group(kind):
            yield from _parameters(kind)
        else:
            shown = copy(getattr(group, name))
            shown.rich_help_panel = shown.rich_help_panel or group.panel
            yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=shown, annotation=kind)


def _arguments(kinds: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a command or group by name, with its groups built from their options."""
    return {
        name: kind(**_arguments(kind.members(), given)) if _is_group(kind) else _on_this_machine(given[name])
        for name, kind in kinds.items()
    }


def _on_this_machine(value: Any) -> Any:
    """Return paths of copies for the addresses of what is read. What is written has its path since it was checked."""
    if isinstance(value, list):
        return [_on_this_machine(one) for one in value]
    if not isinstance(value, Path):
        return value
    from fusionser.storage import input_place

    return input_place(value)


ALIASES = {"split_name": "split", "speakers": "test_speakers", "share": "test_share", "test": "test_corpora"}
"""Options by the names of a protocol's settings, where these differ."""


def with_option(error: Exception, arguments: Sequence[str]) -> str:
    """Return the message of an error, with the option that gave the value of a parameter, if one did.

    Examples
    --------
    >>> with_option(SettingsError("folds is 99; expected 2 to 10", parameter="folds"), ["evaluate", "--folds=99"])
    'folds is 99; expected 2 to 10 (--folds)'
    """
    parameter = getattr(error, "parameter", None)
    if parameter is None:
        return str(error)
    flag = "--" + ALIASES.get(parameter, parameter).replace("_", "-")
    given = any(argument.split("=")[0] == flag for argument in arguments)
    return f"{error} ({flag})" if given and flag not in str(error) else str(error)


def _show_help_all(context: typer.Context, wanted: bool) -> None:
    if wanted:
        context.meta[EVERYTHING] = True
        typer.echo(context.get_help())
        raise typer.Exit


def _show_all_or_main(parameters: list[inspect.Parameter]) -> None:
    """Add ``--help-all``, and show all options of a command that has no main ones."""
    options = [one.default for one in parameters if isinstance(one.default, OptionInfo)]
    hidden = [one for one in options if one.hidden]
    if len(hidden) == len(options):
        for one in hidden:
            one.hidden = False
    help_all = typer.Option(
        False,
        "--help-all",
        callback=_show_help_all,
        is_eager=True,
        expose_value=False,
        hidden=not any(one.hidden for one in options),
        help="Show all options and exit.",
    )
    parameters.append(inspect.Parameter(HELP_ALL, inspect.Parameter.KEYWORD_ONLY, default=help_all, annotation=bool))


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take groups of options as arguments."""
    hints = get_type_hints(command, include_extras=True)
    hints.pop("return")
    shown: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if _is_group(hints[name]):
            shown += _parameters(hints[name])
        else:
            shown.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name]))

    _show_all_or_main(shown)

    def flat(**given: Any) -> None:
        command(**_arguments(hints, given))

    flat.__name__, flat.__doc__ = command.__name__, command.__doc__
    flat.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return flat
