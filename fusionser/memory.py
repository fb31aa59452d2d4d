"""Reuse of large memory blocks between clips and between batches, and how much memory there is."""

import ctypes
import os
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from fusionser.errors import SettingsError
from fusionser.shared_context import SharedContext

__all__ = ["bytes_of", "check_memory_limit", "exceeds_memory", "free_memory", "reused_memory"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
"""Parameters of mallopt(3)."""

NEVER = 2**31 - 1
USUAL = {M_MMAP_MAX: 65536, M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 64 * 2**20}
"""The values that glibc itself adapts to after freeing large blocks. Calling mallopt turns that adaptation off."""

UNITS = {name: 1000**power for power, name in enumerate(("B", "kB", "MB", "GB", "TB"))} | {
    name: 1024**power for power, name in enumerate(("KiB", "MiB", "GiB", "TiB"), start=1)
}
MEMORY_INFORMATION = Path("/proc/meminfo")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
"""Where Linux tells how much memory is free, and the limits of a container."""

COPIES = 8
"""How many times the inputs of a training are held in memory, at most, when they are copied and standardised."""

ALWAYS_HELD = 64 * 2**20
"""Bytes of inputs that are kept in memory without asking how much of it is free."""


def _allocator() -> ctypes.CDLL | None:
    """Return the C library if it is glibc."""
    try:
        library = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    except OSError:
        return None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def reused_memory() -> AbstractContextManager[None]:
    """Return a context in which large arrays reuse the memory of earlier ones, for trainings and analyses of clips.

    By default, glibc returns large blocks to the system, which clears every page before it is used again. Here, blocks
    are returned only at the end, so peak memory is higher. Without glibc, this does nothing.

    Examples
    --------
    >>> with reused_memory():
    ...     pass
    """
    return _REUSED.held()


@contextmanager
def _kept() -> Iterator[None]:
    library = _allocator()
    if library is None:
        yield
        return
    library.mallopt(M_MMAP_MAX, 0)
    library.mallopt(M_TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        for name, value in USUAL.items():
            library.mallopt(name, value)
        library.malloc_trim(0)


_REUSED = SharedContext(_kept)


def bytes_of(size: int | str) -> int:
    """Return a number of bytes that is given as one, or as a text with a unit.

    Parameters
    ----------
    size : int or str
        Such as ``"4GiB"`` or ``"500 MB"``.

    Raises
    ------
    SettingsError
        If it is neither, or less than one byte.

    Examples
    --------
    >>> bytes_of("1.5 GiB"), bytes_of("500MB"), bytes_of(4096)
    (1610612736, 500000000, 4096)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", size) if isinstance(size, str) else None
    units = {name.lower(): count for name, count in UNITS.items()} | {"": 1}
    count = 0
    if found is not None and found[2].lower() in units:
        count = int(float(found[1]) * units[found[2].lower()])
    elif isinstance(size, int) and not isinstance(size, bool):
        count = size
    if count < 1:
        raise SettingsError(
            f"memory_limit is {size!r}; expected a number of bytes of 1 or more, or one with a unit, such as 4GiB or "
            f"500MB ({', '.join(UNITS)})",
            parameter="memory_limit",
        )
    return count


def check_memory_limit(limit: int | str | None) -> None:
    """Raise `SettingsError` unless a limit is a size for `bytes_of`, or None."""
    if limit is not None:
        bytes_of(limit)


def free_memory() -> int | None:
    """Return how many bytes of memory are left for this process, within the limit of its container.

    None where the system does not tell.
    """
    with suppress(OSError, ValueError, IndexError):
        available = re.search(r"^MemAvailable:\s*(\d+) kB", MEMORY_INFORMATION.read_text(), re.MULTILINE)
        if available is not None:
            return min([int(available[1]) * 1024, *_left_in_groups()])
    with suppress(OSError, ValueError, AttributeError):
        # Elsewhere, half of all memory is a guess of what other programs leave.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return None


def _left_in_groups() -> Iterator[int]:
    """Yield what the limit of this process's control group, and of those around it, leaves."""
    with suppress(OSError, ValueError, IndexError):
        own = Path("/proc/self/cgroup").read_text().split("::", 1)[1].split("\n", 1)[0].lstrip("/")
        for folder in (CONTROL_GROUPS / own, *(CONTROL_GROUPS / own).parents):
            if not folder.is_relative_to(CONTROL_GROUPS):
                break
            limit = (folder / "memory.max").read_text().strip() if (folder / "memory.max").exists() else "max"
            if limit != "max":
                # Pages of files that nobody has used for a while are given back when memory is needed.
                files = re.search(r"^inactive_file (\d+)", (folder / "memory.stat").read_text(), re.MULTILINE)
                used = int((folder / "memory.current").read_text()) - (int(files[1]) if files else 0)
                yield max(0, int(limit) - used)


def exceeds_memory(limit: int | str | None, size: int) -> bool:
    """Return whether inputs of a size are too large to be kept in memory.

    Parameters
    ----------
    limit : int or str, optional
        Largest size that is kept, as `bytes_of` takes it; when None, an eighth of the memory that is free now, since
        a training copies and standardises its inputs.
    size : int
        Bytes of the inputs.

    Examples
    --------
    >>> exceeds_memory("1MiB", 2**20), exceeds_memory("1MiB", 2**20 + 1), exceeds_memory(None, 1000)
    (False, True, False)
    """
    if limit is not None:
        return size > bytes_of(limit)
    if size <= ALWAYS_HELD:
        return False
    free = free_memory()
    return free is not None and size > free // COPIES
