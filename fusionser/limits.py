"""Limits of the processes that decode strangers' recordings."""

import os
import time
from threading import Thread

__all__ = ["end_with_parent", "limit_process"]


def limit_process(**limits: int) -> None:
    """Limit this process and those that it starts, where the system can, and never above what it is allowed already.

    Parameters
    ----------
    **limits : int
        By the names of `resource` without ``RLIMIT_``, such as ``AS=2**30``.
    """
    try:
        import resource
    except ImportError:
        return
    for name, wanted in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        lowest = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (lowest, lowest))


def end_with_parent(every: float = 1.0) -> None:
    """End this process when the one that started it has ended, even if it was killed, and so could not say so."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every)
        os._exit(1)

    Thread(target=watch, daemon=True).start()
