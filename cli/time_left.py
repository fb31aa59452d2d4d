"""The columns of a progress bar: how many are done, since when, and how long the rest takes."""

from math import inf

from rich.progress import ProgressColumn, Task
from rich.text import Text


class Pace:
    """How fast a count has grown since it was first told.

    What was done before, such as recordings in the cache, does not make the rest look quick.

    Examples
    --------
    >>> pace = Pace()
    >>> pace.note(2, now=10.0), pace.note(4, now=16.0)
    (True, False)
    >>> pace.left(10, now=17.0)
    17.0
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget what was counted."""
        self.first: tuple[float, float] | None = None
        self.last = (inf, 0.0)

    def note(self, done: float, now: float) -> bool:
        """Note how many are done at a time in seconds; return whether a count begins, as after a larger one."""
        begins = done < self.last[0]
        if begins:
            self.first = (done, now)
        self.last = (done, now)
        return begins

    def left(self, total: float, now: float) -> float | None:
        """Return the seconds until all are done; None before the first that took time."""
        if self.first is None or self.last[0] <= self.first[0]:
            return None
        grown, taken = self.last[0] - self.first[0], self.last[1] - self.first[1]
        return max(taken / grown * (total - self.last[0]) - (now - self.last[1]), 0.0)


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds, or hours, minutes and seconds.

    Examples
    --------
    >>> clock(75), clock(7275)
    ('1:15', '2:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Counted(ProgressColumn):
    """How many of how many; nothing before their number is known."""

    def render(self, task: Task) -> Text:
        """Return the text of the column."""
        return Text("" if task.total is None else f"{task.completed:.0f} of {task.total:.0f}")


class TimeLeft(ProgressColumn):
    """The time since the start, and the time left, as far as it is known; the task has its `Pace` as a field."""

    def render(self, task: Task) -> Text:
        """Return the text of the column."""
        passed = f"{clock(task.elapsed or 0)} passed"
        left = None if task.total is None else task.fields["pace"].left(task.total, task.get_time())
        return Text(passed if left is None else f"{passed}, {clock(left)} left")
