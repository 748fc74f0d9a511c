"""Lists of addresses in files, and a gate for who stands on one."""

from __future__ import annotations

from collections.abc import Container

from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.gate import Refused
from rawserver.services.tracker.watched_file import WatchedFile
from rawserver.swarm.address_set import AddressSet, parse_addresses
from rawserver.wire.announce_request import AnnounceRequest


class AddressList(WatchedFile[AddressSet]):
    """The networks, addresses and ranges (`first-last`) of a file, one a line.

    A container of packed addresses (4 or 16 bytes).
    """

    parse = staticmethod(parse_addresses)

    def __contains__(self, ip: object) -> bool:
        return ip in self.contents

    def __len__(self) -> int:
        """Return the number of ranges; those that touch are one."""
        return len(self.contents)


class DeniedAddresses:
    """Refuses who is on a list: an AddressList, an AddressSet, or any container of addresses.

    `refuses(ip)` is for who need not say why: a listener that closes the connection, a UDP socket
    that does not answer.
    """

    def __init__(self, *lists: Container[bytes]) -> None:
        self._lists = lists

    def refuses(self, ip: bytes) -> bool:
        """Tell whether a packed address is on a list."""
        return any(ip in listed for listed in self._lists)

    def __call__(self, announce: AnnounceRequest, asker: Asker) -> str | None:
        """Raise Refused for who is on one."""
        self.admit(asker)
        return None

    def admit(self, asker: Asker) -> None:
        """Raise Refused for who is on one, whatever he asks for: he may be behind a proxy."""
        if self.refuses(asker.ip):
            raise Refused("your address is refused here", 0)
