"""How many announces one address may make."""

from __future__ import annotations

import math
from collections.abc import Callable, Container

from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.gate import Refused
from rawserver.swarm.address_rates import MAX_ADDRESSES, AddressRates
from rawserver.wire.announce_request import AnnounceRequest

# A thousand torrents that are announced every half hour make one announce in 1.8 seconds; whole
# providers stand behind one address (RFC 6888).
DEFAULT_RATE = 20.0
# And a client that starts announces all of its torrents at once.
DEFAULT_BURST = 2000.0


class RatePerAddress:
    """A gate that lets each address pass `rate` times a second, and `burst` times at once.

    An IPv6 /64 is one address. `exempt` (an AddressSet, an AddressList) are not counted. `clock`
    is the network's `time`. Who is refused is told after how many seconds he may come again.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        rate: float = DEFAULT_RATE,
        burst: float = DEFAULT_BURST,
        *,
        exempt: Container[bytes] = (),
        max_addresses: int = MAX_ADDRESSES,
    ) -> None:
        self._clock = clock
        self._rates = AddressRates(rate, burst, max_addresses)
        self._exempt = exempt

    def seconds_to_wait(self, ip: bytes) -> float:
        """Count one request of an address; returns 0.0, or after how many seconds it may come.

        For scrapes and whatever else is to be counted with announces, and for who rather does not
        answer at all.
        """
        if ip in self._exempt:
            return 0.0
        return self._rates.take(ip, self._clock())

    def __call__(self, announce: AnnounceRequest, asker: Asker) -> str | None:
        """Raise Refused for an address that announces too often."""
        self.admit(asker)
        return None

    def admit(self, asker: Asker) -> None:
        """Count a scrape as an announce."""
        # Who may say where he is could else say another address each time.
        wait = self.seconds_to_wait(asker.seen_ip or asker.ip)
        if wait > 0:
            seconds = math.ceil(wait)
            raise Refused(
                f"your address announces too often: come back in {seconds} seconds", seconds
            )
