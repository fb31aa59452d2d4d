"""Help texts with lists of names: ``{classifiers}`` in a help text stands for the names of the classifiers.

The names are looked up when the help of a command is shown, so that other commands do not search for plugins.
"""

from typing import Any

from rich.markup import escape
from typer.core import TyperCommand

RECIPES = "recipes"


def listed_names() -> dict[str, list[str]]:
    """Return the lists of names for help texts, by placeholder; this imports nothing large."""
    from fusionser import names
    from fusionser.registry import REGISTRIES

    return {
        **{key.lower(): list(value) for key, value in vars(names).items() if isinstance(value, tuple)},
        **{key.replace("-", "_"): list(registry) for key, registry in REGISTRIES.items()},
        "blocks": names.block_names(),
        "kinds": [*REGISTRIES, RECIPES],
    }


class NamingCommand(TyperCommand):
    """A command that fills the placeholders in its help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with names for placeholders. Brackets in it are no markup."""
        listed = {key: ", ".join(value) for key, value in listed_names().items()}
        for parameter in self.params:
            text = getattr(parameter, "help", None)
            if text is not None:
                parameter.help = escape(text.format_map(listed))  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)
