"""Who may not come back: hosts that sent bad data."""

from __future__ import annotations

# A host that several peers share (a NAT, one machine with many clients) is not shut out for one
# of them; but one that comes back to lie again and again is.
STRIKES_OF_A_SHARED_HOST = 3


class Bans:
    """Counts bad pieces by host and says which hosts are banned."""

    def __init__(self) -> None:
        self._strikes: dict[str, int] = {}
        self._banned: set[str] = set()

    def strike(self, ip: str, shared: bool) -> bool:
        """Count a bad piece of a host; `shared` if it has innocent peers too. True: now banned."""
        self._strikes[ip] = self._strikes.get(ip, 0) + 1
        if not shared or self._strikes[ip] >= STRIKES_OF_A_SHARED_HOST:
            self._banned.add(ip)
        return ip in self._banned

    def __contains__(self, ip: str) -> bool:
        return ip in self._banned
