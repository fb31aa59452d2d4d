"""``python -m fusionser.decoder MEMORY``: what `fusionser.isolation` starts to decode recordings apart.

It reads one request per line from standard input, as JSON, and writes one answer per line to standard output, as JSON,
followed by the samples.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from fusionser.decoding import decode, duration_of
from fusionser.errors import AudioError
from fusionser.limits import end_with_parent, limit_process

__all__ = ["OPERATIONS", "main"]

Given = tuple[dict[str, Any], npt.NDArray[np.float32] | None]


def _decode(file: str, **arguments: Any) -> Given:
    samples, rate = decode(file, **arguments)
    return {"rate": rate, "count": samples.size}, samples


def _duration(file: str, **arguments: Any) -> Given:
    return {"seconds": duration_of(file, **arguments)}, None


OPERATIONS: Mapping[str, Callable[..., Given]] = {"decode": _decode, "duration": _duration}


def _answer(line: bytes) -> Given:
    request = json.loads(line)
    file = request["file"]
    try:
        return OPERATIONS[request.pop("operation")](**request)
    except AudioError as error:
        return {"error": str(error)}, None
    except MemoryError:
        return {"error": f"{file}: decoding it takes too much memory; cut it into utterances"}, None


def _apart() -> BinaryIO:
    """Return the pipe of the answers, and send what libraries print to nowhere."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return answers


def main() -> None:
    """Answer requests until there are no more."""
    answers = _apart()
    end_with_parent()
    limit_process(AS=int(sys.argv[1]), FSIZE=0, CORE=0, NOFILE=64)
    for line in sys.stdin.buffer:
        answer, samples = _answer(line)
        answers.write(json.dumps(answer).encode() + b"\n")
        if samples is not None:
            answers.write(samples.tobytes())
        answers.flush()


if __name__ == "__main__":
    main()
