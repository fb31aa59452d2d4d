"""Other toolkits, each in an environment of its own, which is made once and kept outside the checkout."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import platformdirs

SCRIPTS = Path(__file__).parent


def environment(name: str, packages: Sequence[str]) -> Path:
    """Return the Python of a peer's environment, made with its packages when missing."""
    folder = Path(platformdirs.user_cache_dir("fusionser-benchmarks", appauthor=False)) / name
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True, stdout=sys.stderr)
        done.touch()
    return python


def run_peer(name: str, packages: Sequence[str], script: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a script in a peer's environment; return what it prints, which is JSON."""
    command = [str(environment(name, packages)), str(SCRIPTS / script), *arguments]
    bare = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=bare)
    return json.loads(done.stdout)
