"""The pages of the command line: one for each command, made from its typer application."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import typer
from fusionser_cli.app import app as command_line
from fusionser_cli.naming import listed_names
from sphinx.application import Sphinx
from sphinx.config import Config
from written import write_folder

FOLDER = Path(__file__).parents[1] / "reference" / "commands"
WITHOUT_GROUP = "Options"
TAKES = {int: "INTEGER", float: "NUMBER", Path: "PATH"}
MARKUP = re.compile(r"([\\*`|_]|(?<=tcp):)")


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the full name of each command, and the command."""
    for key, inner in getattr(command, "commands", {}).items():
        if hasattr(inner, "commands"):
            yield from commands(inner, f"{name} {key}")
        else:
            yield f"{name} {key}", inner


def escaped(text: str) -> str:
    """Return a help text that reStructuredText shows as it is."""
    return MARKUP.sub(r"\\\1", text)


def filled(text: str | None) -> str:
    """Return a help text with the registered names in place of its placeholders."""
    names = {key: ", ".join(value) for key, value in listed_names().items()}
    return escaped((text or "").format_map(names).replace("\b", "").strip())


def default(parameter: Any) -> str:
    """Return the sentence on a default that the help text leaves to the program; empty if there is none to tell."""
    value = parameter.default
    if value in (None, "", [], ()) or callable(value) or parameter.name == "help":
        return ""
    if isinstance(value, bool):
        return "On by default." if value else ""
    shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"By default ``{shown}``."


def signature(parameter: Any) -> str:
    """Return the flags of an option with what they take."""
    if getattr(parameter, "is_flag", False):
        return ", ".join([*parameter.opts, *parameter.secondary_opts])
    kind = parameter.type_descriptor.annotation
    (kind,) = get_args(kind) or (kind,)
    name = parameter.metavar or TAKES.get(kind, "TEXT")
    return ", ".join(f"{flag} <{name}>" for flag in parameter.opts)


def entry(parameter: Any) -> str:
    """Return the description of an option or an argument."""
    told = " ".join(part for part in (filled(parameter.help), default(parameter)) if part)
    head = argument(parameter) if is_argument(parameter) else signature(parameter)
    return f".. option:: {head}\n\n   {told}\n"


def argument(parameter: Any) -> str:
    """Return an argument as the help names it; dots say that it may come several times."""
    name = str(parameter.metavar or parameter.name)
    return f"{name}..." if parameter.nargs == -1 and not name.endswith("...") else name


def is_argument(parameter: Any) -> bool:
    """Return whether a parameter has no flag."""
    return not parameter.opts[0].startswith("-")


def page(name: str, command: Any) -> str:
    """Return the page of a command: what it does, and its options by group."""
    groups: dict[str, list[str]] = {}
    for parameter in command.params:
        heading = "Arguments" if is_argument(parameter) else parameter.rich_help_panel or WITHOUT_GROUP
        groups.setdefault(heading, []).append(entry(parameter))
    ordered = sorted(groups, key=lambda heading: heading != "Arguments")
    usage = command.collect_usage_pieces(command.context_class(command, info_name=name))
    lines = [f".. program:: {name}\n", name, "=" * len(name), ""]
    lines += [filled(paragraph.replace("\n", " ")) + "\n" for paragraph in (command.help or "").split("\n\n")]
    lines += [".. code-block:: console\n", f"   $ {name} {' '.join(usage)}\n"]
    for heading in ordered:
        lines += [heading, "-" * len(heading), "", *groups[heading]]
    return "\n".join(lines)


def first_sentence(command: Any) -> str:
    """Return what a command does in one sentence."""
    return filled((command.help or "").split("\n\n")[0].replace("\n", " "))


def write_pages(app: Sphinx, config: Config) -> None:
    """Write a page for each command, and the page that lists them."""
    del app, config
    found = list(commands(typer.main.get_command(command_line), "fusionser"))
    rows, documents, pages = [], [], {}
    for name, command in found:
        document = name.replace(" ", "-")
        pages[f"{document}.rst"] = page(name, command)
        documents.append(f"   {document}")
        rows.append(f"   * - :doc:`{name} <{document}>`\n     - {first_sentence(command)}")
    pages["index.rst"] = "\n".join([HEAD, *rows, "", ".. toctree::", "   :hidden:", "", *documents, ""])
    write_folder(FOLDER, pages)


HEAD = """Command line
============

``fusionser COMMAND --help-all`` prints the same texts; where a command has no such option, ``--help`` does.
``fusionser --version`` prints the version.

A command ends with the exit status 0; with 1 after an error; with 2 after a wrong option; with 130 after Ctrl-C.
``fusionser audit`` has :doc:`a table of its own </how-to/audit-a-split>`.

.. list-table::
   :widths: 35 65
"""


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before any is read."""
    app.connect("config-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
