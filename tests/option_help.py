"""What the help of a command says of each option, whatever the width that it was wrapped to."""

import os
import re
import subprocess
import sys
from typing import Any


def option_texts(command: str, **env: Any) -> dict[str, str]:
    """Return the text that the help of a command has for each argument and option."""
    # Without its boxes, which typer reads once, so in a process that has imported nothing.
    done = subprocess.run(
        [sys.executable, "-m", "fusionser", *command.split(), "--help"],
        env={**os.environ, "TYPER_USE_RICH": "0", **env},
        capture_output=True,
        text=True,
        check=True,
    )
    texts: dict[str, list[str]] = {}
    name = ""
    for line in done.stdout.splitlines():
        begun = re.match(r"  (-{0,2}[a-z][a-z-]*)\b", line)
        if begun:
            name = begun[1]
        if name and line.startswith("  "):
            texts.setdefault(name, []).append(line.strip())
    # Lines are broken at hyphens too.
    return {name: re.sub(r"- ", "-", " ".join(lines)) for name, lines in texts.items()}


def words(text: str) -> set[str]:
    """Return the words of a help text, without the punctuation around them."""
    return {part.strip(".,;:()[]") for part in text.split()}
