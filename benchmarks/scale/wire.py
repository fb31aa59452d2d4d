"""Bytes that a process of Dask sends: `--preload benchmarks.scale.wire` counts them in schedulers and workers."""

import os

from tornado.iostream import IOStream

__all__ = ["sent"]

_SENT: dict[int, int] = {}
"""Bytes that were sent, by the id of the process."""

_write = IOStream.write_to_fd


def _counted(stream: IOStream, data: memoryview) -> int:
    count = _write(stream, data)
    # None if the other side does not take any now.
    _SENT[os.getpid()] = sent() + (count or 0)
    return count


IOStream.write_to_fd = _counted  # type: ignore[method-assign, assignment]


def sent() -> int:
    """Return the bytes that this process has sent to others."""
    return _SENT.get(os.getpid(), 0)
