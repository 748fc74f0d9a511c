"""When those who have announced of late may come again."""

from __future__ import annotations

# A hash and a time take 120 bytes: this is 120 MB at the most, and twice what a registry has peers.
MAX_REMEMBERED = 1_000_000


class RecentAnnounces:
    """Remembers until when who came is to stay away, for `longest` seconds at the most.

    Of an announce only a hash is kept, of 64 bits and keyed by chance: who guesses cannot make two
    the same, and that two are so by accident is not to be seen. They are kept in two generations,
    and the older one is forgotten whole when the younger is `longest` old or full: who floods the
    tracker with peer ids gets others, and himself, the freedom to come early.
    """

    def __init__(self, longest: float, max_remembered: int = MAX_REMEMBERED) -> None:
        self._longest = longest
        self._max_generation = max(max_remembered // 2, 1)
        self._until: dict[int, float] = {}
        self._older: dict[int, float] = {}
        self._turned_at = 0.0

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._until) + len(self._older)

    def seconds_left(self, info_hash: bytes, peer_id: bytes, ip: bytes, now: float) -> float:
        """Return after how many seconds one may come again; 0.0 if he may."""
        name = hash((info_hash, peer_id, ip))
        until = self._until.get(name)
        if until is None:
            until = self._older.get(name, now)
        return max(until - now, 0.0)

    def note(self, info_hash: bytes, peer_id: bytes, ip: bytes, seconds: float, now: float) -> None:
        """Remember that one is to stay away for so many seconds; 0 forgets him."""
        name = hash((info_hash, peer_id, ip))
        if now - self._turned_at >= self._longest or len(self._until) >= self._max_generation:
            idle = now - self._turned_at >= 2 * self._longest
            self._older = {} if idle else self._until
            self._until = {}
            self._turned_at = now
        if seconds > 0:
            self._until[name] = now + min(seconds, self._longest)
        else:
            self._until.pop(name, None)
            self._older.pop(name, None)
