"""The command line in a terminal of a given width, as a person sees it."""

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def in_terminal(*arguments: Any, columns: int = 80, cwd: Path | None = None, **env: str) -> str:
    """Return all that `fusionser` writes to a terminal, with what moves and colours its text."""
    reader, terminal = pty.openpty()
    given = {"COLUMNS": str(columns), "TERM": "xterm-256color", **env}
    with os.fdopen(reader, "rb", buffering=0) as shown:
        done = subprocess.Popen(
            [sys.executable, "-m", "fusionser", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            cwd=cwd,
            env={**{name: value for name, value in os.environ.items() if name != "NO_COLOR"}, **given},
        )
        os.close(terminal)
        text = b""
        # At the end of a terminal, reading fails.
        with suppress(OSError):
            while piece := shown.read(4096):
                text += piece
        assert done.wait(120) == 0, text
    return text.decode()
