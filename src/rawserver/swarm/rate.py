"""How fast bytes flow."""

from collections import deque

# Long enough to smooth out that blocks come in bursts, short enough to show what is going on.
WINDOW_SECONDS = 10.0
# Ticks may come faster than once a second; this bounds what is remembered to 21 of them.
SHORTEST_STEP_SECONDS = 0.5


class RateMeter:
    """Counts bytes, and measures their rate over the last ten seconds or since the first.

    `total`: bytes so far. `rate`: bytes per second, as of the last tick.
    """

    __slots__ = ("_marks", "rate", "total")

    def __init__(self) -> None:
        self.total = 0
        self.rate = 0.0
        # (when, total) at past ticks: the first is the youngest that is older than the window.
        self._marks: deque[tuple[float, int]] = deque()

    def add(self, amount: int) -> None:
        """Count bytes. This is called for every block and does nothing else."""
        self.total += amount

    def tick(self, now: float) -> None:
        """Measure; to be called about once a second."""
        marks = self._marks
        if not marks:
            # What came before the first tick came within about one tick's time.
            marks.append((now - 1.0, 0))
        if now - marks[-1][0] >= SHORTEST_STEP_SECONDS:
            marks.append((now, self.total))
        while len(marks) > 1 and marks[1][0] <= now - WINDOW_SECONDS:
            marks.popleft()
        start, total = marks[0]
        if now > start:
            self.rate = (self.total - total) / (now - start)
