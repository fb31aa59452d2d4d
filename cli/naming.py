"""Names in help texts and in completions: ``{classifiers}`` in a help text stands for the names of the classifiers.

The names are looked up when the help of a command is shown, or a word is completed, so that other commands do not
search for plugins.
"""

from collections.abc import Callable, Sequence
from string import Formatter
from typing import Any

from rich.markup import escape
from typer.core import TyperCommand

RECIPES = "recipes"

LONG = 8
"""Most names that a help text lists; of more, it has examples, and the command that lists them."""

EXAMPLES = {
    "augmentations": ("noise", "pitch", "stretch"),
    "blocks": ("mfcc", "pitch", "robust"),
    "conditions": ("telephone", "mp3-64-kbps", "lowpass-4-khz"),
    "corpora": ("ravdess", "crema-d", "emodb"),
    "networks": ("conv1d", "conv2d", "log-mel-frames"),
    "protocols": ("speaker-kfold", "leave-one-speaker-out", "random-kfold"),
}
"""Names that stand for a long list."""

LISTED = {"blocks": ("blocks", "networks")}
"""Kinds of ``fusionser list`` that have the names of a placeholder, where these are several."""

HELP_ALL = "help_all"
"""Name of the option that shows all options."""

EVERYTHING = "fusionser.help-all"
"""Where the context of a command says that its help is to have all options."""


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


STUDY_RECIPES, PAPER_RECIPES = "study_recipes", "paper_recipes"
"""Placeholders of recipes, which are only completed: no help lists them."""


def _recipe_names(key: str) -> list[str]:
    from fusionser.studies.papers import paper_recipe_names
    from fusionser.studies.recipe import recipe_names

    return recipe_names() if key == STUDY_RECIPES else paper_recipe_names()


def _in_help(key: str, names: Sequence[str]) -> str:
    """Return the names of a placeholder, or, of a long list that ``fusionser list`` prints, examples."""
    from fusionser.registry import REGISTRIES

    kinds = LISTED.get(key, (key.replace("_", "-"),))
    if len(names) <= LONG or not set(kinds) <= set(REGISTRIES):
        return ", ".join(names)
    shown = EXAMPLES.get(key, tuple(names[:3]))
    commands = " and ".join(f"'fusionser list {kind}'" for kind in kinds)
    return f"{', '.join(shown)} and {len(names) - len(shown)} more (see {commands})"


def completion(text: str) -> Callable[[str], list[str]] | None:
    """Return what completes the value of an option: the names of the placeholders in its help, if there are any.

    Of names with commas between them, the last one is completed.
    """
    keys = [field for _, field, _, _ in Formatter().parse(text) if field]
    if not keys:
        return None

    def complete(incomplete: str) -> list[str]:
        before, comma, begun = incomplete.rpartition(",")
        listed = listed_names()
        named = (_recipe_names(key) if key in (STUDY_RECIPES, PAPER_RECIPES) else listed[key] for key in keys)
        found = dict.fromkeys(name for names in named for name in names if name.startswith(begun))
        return [f"{before}{comma}{name}" for name in found]

    return complete


class NamingCommand(TyperCommand):
    """A command that fills the placeholders in its help, and shows options that are hidden only if asked to."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with names for placeholders."""
        self._fill()
        own = [parameter for parameter in self.params if parameter.name != HELP_ALL]
        shown = [parameter for parameter in own if not getattr(parameter, "hidden", False)]
        if ctx.meta.get(EVERYTHING):
            self._reveal()
        elif len(shown) < len(own):
            # A heading for each of a few options would hide what matters.
            for parameter in shown:
                parameter.rich_help_panel = None  # type: ignore[attr-defined]
            self.epilog = f"These are {len(shown)} of {len(own)} options and arguments; --help-all shows all."
        super().format_help(ctx, formatter)

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Return the context of the command. While a word is completed, the values of options have no effect."""
        if extra.get("resilient_parsing"):
            for parameter in self.params:
                parameter.callback = None
        return super().make_context(info_name, args, parent=parent, **extra)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return the completions of an option's name, of all options."""
        self._fill()
        self._reveal()
        return super().shell_complete(ctx, incomplete)

    def _fill(self) -> None:
        """Put names in the place of placeholders. Brackets in a help text are no markup."""
        listed = {key: _in_help(key, value) for key, value in listed_names().items()}
        for parameter in self.params:
            text = getattr(parameter, "help", None)
            if text is not None:
                parameter.help = escape(text.format_map(listed))  # type: ignore[attr-defined]

    def _reveal(self) -> None:
        for parameter in self.params:
            if parameter.name != HELP_ALL:
                parameter.hidden = False  # type: ignore[attr-defined]
