"""Who may not come back: hosts that sent bad data."""

from __future__ import annotations

# A host that several peers share (a NAT, one machine with many clients) is not shut out for one
# of them; but one that comes back to lie again and again is.
STRIKES_OF_A_SHARED_HOST = 3


Address = tuple[str, int]


class Bans:
    """Counts bad peers by host and says which hosts are banned."""

    def __init__(self) -> None:
        self._guilty: dict[str, set[int]] = {}
        self._banned: set[str] = set()

    def strike(self, address: Address, shared: bool) -> bool:
        """Count a peer that sent bad data; `shared` if its host has innocent peers too.

        A peer counts once, however many pieces it spoiled. Returns whether its host is banned.
        """
        ip, port = address
        guilty = self._guilty.setdefault(ip, set())
        guilty.add(port)
        if not shared or len(guilty) >= STRIKES_OF_A_SHARED_HOST:
            self._banned.add(ip)
        return ip in self._banned

    def is_guilty(self, address: Address) -> bool:
        """Tell whether a peer was counted before."""
        return address[1] in self._guilty.get(address[0], ())

    def __contains__(self, ip: str) -> bool:
        return ip in self._banned
