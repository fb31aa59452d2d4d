"""``python -m fusionser.serving.worker``: a process that decodes and predicts for a service.

It reads requests from standard input, and writes answers to standard output: a line of JSON, which states how many
bytes follow. Recordings are decoded in a process of its own (`fusionser.isolation`), so one that makes a decoder crash
costs only itself.
"""

import json
import math
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from fusionser.errors import AudioError, FusionserError
from fusionser.facts import json_value
from fusionser.folders import brief_folder
from fusionser.isolation import isolated_decoding
from fusionser.limits import end_with_parent
from fusionser.model import Predictor
from fusionser.reporting.answers import own_columns

__all__ = ["main", "open_model", "receive", "send"]

Item = tuple[Mapping[str, Any], bytes]


def open_model(path: str | None) -> Predictor:
    """Return the model in a file, of either kind; None is the included one."""
    from fusionser.model import load_model, load_onnx
    from fusionser.names import ONNX_SUFFIX

    if path is not None and Path(path).suffix.lower() == ONNX_SUFFIX:
        return load_onnx(path)
    return load_model(path)


def send(stream: BinaryIO, head: Mapping[str, Any], parts: Sequence[bytes] = ()) -> None:
    """Write a message.

    Parameters
    ----------
    stream : binary file
    head : mapping
        Of JSON values.
    parts : sequence of bytes
    """
    line = json.dumps({**head, "sizes": [len(part) for part in parts]}, default=json_value).encode()
    stream.write(line + b"\n" + b"".join(parts))
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], list[bytes]]:
    """Read a message; raise `EOFError` at the end.

    Parameters
    ----------
    stream : binary file

    Returns
    -------
    head : dict
    parts : list of bytes

    Examples
    --------
    >>> import io
    >>> pipe = io.BytesIO()
    >>> send(pipe, {"kind": "predict"}, [b"RIFF"])
    >>> _ = pipe.seek(0)
    >>> receive(pipe)
    ({'kind': 'predict'}, [b'RIFF'])
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    head = json.loads(line)
    parts = [stream.read(size) for size in head.pop("sizes")]
    return head, parts


def _predict(model: Predictor, head: Mapping[str, Any], parts: Sequence[bytes], folder: Path) -> list[dict[str, Any]]:
    """Return one record for each item, as of `Predictor.predict`."""
    rows, refused = [], {}
    for place, (item, content) in enumerate(zip(head["items"], parts, strict=True)):
        row: dict[str, Any] = {"file": item["name"], "gender": item.get("gender", "")}
        if item["samples"]:
            row |= {"waveform": np.frombuffer(content, dtype=np.float32), "sampling_rate": item["rate"]}
        else:
            row["file"] = str(_stored(folder, place, content))
            if reason := _too_long(row["file"], head["most_seconds"]):
                refused[place] = reason
        rows.append(row)
    kept = [place for place in range(len(rows)) if place not in refused]
    answers = _answers(model, [rows[place] for place in kept], head["options"])
    found: list[dict[str, Any]] = [{}] * len(rows)
    for place, record in zip(kept, answers, strict=True):
        found[place] = record
    blank = {} if model.unlikeness is None else {"unlikeness": math.nan, "unlike_because": ""}
    unsure = {"unsure_because": ""} if "abstain" in head["options"] else {}
    for place, reason in refused.items():
        found[place] = {**blank, "error": f"{reason}: cut it, or ask /predict/timeline", **unsure}
    return [_named(record, rows[place]["file"], head["items"][place]["name"]) for place, record in enumerate(found)]


def _answers(model: Predictor, rows: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the answers for rows, in order; files and samples are predicted apart."""
    found: list[dict[str, Any]] = [{}] * len(rows)
    for samples in (False, True):
        places = [place for place, row in enumerate(rows) if ("waveform" in row) == samples]
        if places:
            table = pd.DataFrame([rows[place] for place in places])
            table = table if model.needs_gender else table.drop(columns="gender")
            records = model.predict(table, **options).to_dict("records")
            for place, record in zip(places, records, strict=True):
                # What is given beside the recordings, such as the samples, is not sent back.
                found[place] = {str(name): value for name, value in list(record.items())[: own_columns(record)]}
    return found


def _named(record: Mapping[str, Any], file: str, name: str) -> dict[str, Any]:
    """Return a record that names the recording as the client does, and not the temporary file."""
    error = _for_clients(str(record.get("error", "")).replace(file, name))
    # The order of the columns is kept: what follows the error would be a column of a list.
    return {"file": name, "emotion": "", **record} | {"file": name, "error": error}


OPTIONS = {
    ", or use what is there with --accept-truncated": "",
    ", or use the first stream with --accept-truncated": "",
    "use one of them with --channel, such as --channel left": "send one of them",
}
"""What messages advise at the command line, and what clients can do instead."""


def _for_clients(message: str) -> str:
    for advice, instead in OPTIONS.items():
        message = message.replace(advice, instead)
    return message


def _stored(folder: Path, place: int, content: bytes) -> Path:
    path = folder / f"{place}.audio"
    path.write_bytes(content)
    return path


def _too_long(file: str, most: float) -> str:
    """Return why a recording is too long; empty if it is not, or cannot be read, which its answer says."""
    from fusionser.decoding import duration_of

    try:
        seconds = duration_of(file)
    except AudioError:
        return ""
    return f"{file}: {seconds:.1f} s long; expected at most {most:g}" if seconds > most else ""


def _timeline(model: Predictor, head: Mapping[str, Any], parts: Sequence[bytes], folder: Path) -> dict[str, Any]:
    from fusionser.reporting.timeline import timeline_json
    from fusionser.timeline import predict_timeline

    (item,) = head["items"]
    file = str(_stored(folder, 0, parts[0]))
    try:
        if reason := _too_long(file, head["most_seconds"]):
            raise AudioError(reason)
        found = timeline_json(predict_timeline(file, model, **head["options"]))
    except FusionserError as error:
        return {"error": _for_clients(str(error).replace(file, item["name"]))}
    return {**found, "file": item["name"]}


HANDLERS: Mapping[str, Callable[..., Any]] = {"predict": _predict, "timeline": _timeline}


def _answer(model: Predictor, head: Mapping[str, Any], parts: Sequence[bytes]) -> dict[str, Any]:
    try:
        with brief_folder() as folder:
            return {"answer": HANDLERS[head["kind"]](model, head, parts, folder)}
    except FusionserError as error:
        return {"refused": str(error)}
    except MemoryError:
        return {"refused": "the recording takes too much memory; cut it into utterances"}
    except Exception as error:
        # The service goes on; its client learns that this is a fault of the service.
        return {"failed": f"{type(error).__name__}"}


def main() -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    # Ctrl-C is for the service, which then lets its processes finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    model = open_model(sys.argv[1] if len(sys.argv) > 1 else None)
    with isolated_decoding():
        _warm(model)
        send(answers, {"ready": True})
        while True:
            try:
                head, parts = receive(sys.stdin.buffer)
            except EOFError:
                return
            send(answers, _answer(model, head, parts))


def _warm(model: Predictor) -> None:
    """Predict once, so that the first client does not wait for imports."""
    tone = 0.1 * np.sin(np.arange(16000, dtype=np.float32) * 0.05)
    table = pd.DataFrame({"file": ["tone"], "waveform": [tone], "sampling_rate": [16000], "gender": ["female"]})
    model.predict(table)


if __name__ == "__main__":
    main()
