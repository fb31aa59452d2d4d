"""What the help of a command says of each option, whatever the width that it was wrapped to."""

import os
import re
import subprocess
import sys
from functools import cache
from typing import Any


@cache
def help_text(command: str, flag: str, **env: Any) -> str:
    """Return the help of a command without its boxes."""
    # typer reads the variable once, so this is done in a process that has imported nothing.
    done = subprocess.run(
        [sys.executable, "-m", "fusionser", *command.split(), flag],
        env={**os.environ, "TYPER_USE_RICH": "0", **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def option_texts(command: str, flag: str = "--help-all", **env: Any) -> dict[str, str]:
    """Return the text that the help of a command has for each argument and option; `flag` asks for it."""
    texts: dict[str, list[str]] = {}
    name = ""
    for line in help_text(command, flag, **env).splitlines():
        begun = re.match(r"  (-{0,2}[a-z][a-z-]*)\b", line)
        if begun:
            name = begun[1]
        if name and line.startswith("  "):
            texts.setdefault(name, []).append(line.strip())
    # Lines are broken at hyphens too.
    return {name: re.sub(r"- ", "-", " ".join(lines)) for name, lines in texts.items()}


def completions(*typed: str, **env: Any) -> list[str]:
    """Return what bash is offered for the last of the words that were typed."""
    given = {"COMP_WORDS": " ".join(["fusionser", *typed]), "COMP_CWORD": str(len(typed))}
    done = subprocess.run(
        [sys.executable, "-m", "fusionser"],
        env={**os.environ, "_FUSIONSER_COMPLETE": "complete_bash", **given, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def words(text: str) -> set[str]:
    """Return the words of a help text, without the punctuation around them."""
    return {part.strip(".,;:()[]") for part in text.split()}
