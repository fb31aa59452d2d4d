"""Try the inputs of an area in a process of its own, which may crash or hang."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fusionser.errors import FusionserError
from torture.area import REFUSED, LostError, Tally, area_of

SECONDS = 120.0
"""Time that one input may take, on a slow machine under load."""

STARTING = 300.0
LARGEST = 8 * 2**30
"""Bytes of memory that a process may take, to keep the machine alive."""


def try_inputs(name: str, seed: int, numbers: range) -> Tally:
    """Try inputs of an area; after a crash or a hang, go on with the next one in a new process."""
    tally, begun = Tally(name), time.monotonic()
    first = numbers.start
    while first < numbers.stop:
        first = _one_process(tally, seed, range(first, numbers.stop))
    tally.seconds = time.monotonic() - begun
    return tally


def _one_process(tally: Tally, seed: int, numbers: range) -> int:
    """Try inputs until the process ends; return the number to go on with."""
    command = [sys.executable, "-m", "torture.watch", tally.area, str(seed), str(numbers.start), str(numbers.stop)]
    paths = [str(Path(__file__).parent.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    with (
        tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen([*command, folder], stdout=subprocess.PIPE, stderr=errors, env=variables) as process,
        selectors.DefaultSelector() as selector,
    ):
        assert process.stdout is not None
        selector.register(process.stdout, selectors.EVENT_READ)
        current, limit, rest, ready, late = numbers.start, STARTING, b"", False, False
        while not late:
            late = not selector.select(limit)
            got = b"" if late else os.read(process.stdout.fileno(), 1 << 16)
            if not got:
                break
            *lines, rest = (rest + got).split(b"\n")
            for line in lines:
                said = json.loads(line)
                _record(tally, said)
                current, limit, ready = said["next"], SECONDS, True
        if late:
            process.kill()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        tally.peak_mib = max(tally.peak_mib, usage.ru_maxrss / 1024)
        if process.returncode == 0:
            return numbers.stop
        errors.seek(0)
        last = errors.read()[-2000:]
        if not ready and not late:
            raise RuntimeError(f"the area {tally.area} cannot begin: {last}")
        tally.tried += 1
        if late:
            tally.hangs.append(f"{tally.area} {current}: more than {limit:g} s")
        else:
            tally.crashes.append(f"{tally.area} {current}: ended with {process.returncode}: {last[-400:]}")
        return current + 1


def _record(tally: Tally, said: dict[str, Any]) -> None:
    if "verdict" not in said:
        return
    tally.tried += 1
    verdict, text = said["verdict"], said.get("text", "")
    if verdict in ("crashes", "lost"):
        getattr(tally, verdict).append(f"{tally.area} {said['next'] - 1}: {text}")
    else:
        setattr(tally, verdict, getattr(tally, verdict) + 1)


def _attempt(area: Any, number: int) -> dict[str, Any]:
    try:
        return {"verdict": area.attempt(number)}
    except LostError as error:
        return {"verdict": "lost", "text": str(error)[:400]}
    except FusionserError as error:
        if not str(error).strip():
            return {"verdict": "lost", "text": f"{type(error).__name__} without a message"}
        return {"verdict": REFUSED}
    except MemoryError:
        return {"verdict": "crashes", "text": "out of memory"}
    except Exception as error:
        import traceback

        place = traceback.extract_tb(error.__traceback__)[-1]
        return {"verdict": "crashes", "text": f"{type(error).__name__}: {error} ({place.name}:{place.lineno})"[:400]}


def main() -> None:
    """Try inputs in this process, and print what became of each."""
    import resource
    import warnings

    resource.setrlimit(resource.RLIMIT_AS, (LARGEST, LARGEST))
    # A warning that reaches a user raw is a fault, too.
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    name, seed, start, stop, folder = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
    area = area_of(name)[0](Path(folder), seed)
    for number in range(start, stop):
        print(json.dumps({"next": number}), flush=True)
        print(json.dumps({"next": number + 1, **_attempt(area, number)}), flush=True)


if __name__ == "__main__":
    main()
