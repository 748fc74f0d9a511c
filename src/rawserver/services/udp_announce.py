"""One announce to a UDP tracker (BEP 15), over IPv4 and IPv6."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from rawserver.engine import RawServer, Task
from rawserver.engine.addresses import literal_address
from rawserver.engine.network import DATAGRAM, SocketAddress
from rawserver.http.url import Url
from rawserver.services.udp_connection_ids import UdpConnectionIds
from rawserver.services.udp_exchange import UdpExchange
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.announce_response import AnnounceResponse
from rawserver.wire.udp_tracker_options import encode_url_data
from rawserver.wire.udp_tracker_requests import encode_udp_announce

# Once one family has answered, the other is waited for so much longer: what it says comes at the
# same time as a rule, and where it leads nowhere that is not to hold us up.
OTHER_FAMILY_SECONDS = 1.0
# Of one family. Nobody's tracker has more, and in the time that there is no more can be tried.
MOST_ADDRESSES = 8

# A response (which may be the tracker's refusal), or why there is none.
Done = Callable[[AnnounceResponse | None, str], None]


class UdpAnnounce:
    """One announce; `done(response, "")` or `done(None, reason)` is called once, from the loop.

    A reply has peers of the family that it came by. So a tracker with addresses of both is told by
    both, at the same time, with one key (BEP 15, "IPv6"), and what they answer is put together. The
    path and query of its URL are sent along (BEP 41). It is over, without a call, when its context
    ends.
    """

    def __init__(
        self,
        raw_server: RawServer,
        ids: UdpConnectionIds,
        url: Url,
        request: AnnounceRequest,
        done: Done,
        context: Hashable,
        timeout: float,
    ) -> None:
        """`timeout` is in seconds, for all of it. ValueError for a path longer than trackers read.

        As libtorrent does, we send the path always, but one that says nothing.
        """
        self._path = "" if url.target == "/" else url.target
        encode_url_data(self._path)
        self._raw_server = raw_server
        self._ids = ids
        self._url = url
        self._request = request
        self._done = done
        self._context = context
        self._over = False
        self._exchanges: list[UdpExchange] = []
        self._waiting = 0
        self._responses: list[AnnounceResponse] = []
        self._reasons: list[str] = []
        self._other_family: Task | None = None
        self._deadline: Task = raw_server.add_task(
            self._finish, timeout, (f"no reply within {timeout:g} seconds",), context
        )

    def start(self) -> None:
        """Begin; nothing is called from here."""
        host, port = self._url.host, self._url.port
        literal = literal_address(host, port)
        if literal is not None:
            self._raw_server.add_task(self._looked_up, 0, ([literal], None), self._context)
            return
        try:
            self._raw_server.start_look_up(host, port, DATAGRAM, self._looked_up, self._context)
        except RuntimeError as error:  # the system has no room for a thread
            self._raw_server.add_task(self._looked_up, 0, (None, error), self._context)

    def cancel(self) -> None:
        """End; `done` is not called any more."""
        self._over = True
        self._deadline.cancel()
        if self._other_family is not None:
            self._other_family.cancel()
        for exchange in self._exchanges:
            exchange.close()

    def _looked_up(
        self, addresses: list[SocketAddress] | None, error: BaseException | None
    ) -> None:
        if self._over:
            return
        families = self._families(addresses or [])
        if not families:
            why = getattr(error, "strerror", None) or error or "no address that we can ask"
            self._finish(f"no connection: {why}")
            return
        self._waiting = len(families)
        self._exchanges = [self._exchange(of_family) for of_family in families]
        for exchange in self._exchanges:
            exchange.start()

    def _exchange(self, addresses: list[SocketAddress]) -> UdpExchange:
        # What we say of our address has room in IPv4's form only, and is of IPv4's concern.
        ip = "" if ":" in addresses[0].address[0] else self._request.ip
        request = self._request._replace(ip=ip)

        def encode(connection_id: bytes, transaction_id: bytes) -> bytes:
            return encode_udp_announce(connection_id, transaction_id, request, self._path)

        return UdpExchange(
            self._raw_server, self._ids, addresses, encode, self._answered, self._context
        )

    def _families(self, addresses: Iterable[SocketAddress]) -> list[list[SocketAddress]]:
        """Return addresses by family, those left out that we do not speak from."""
        bind = self._raw_server.config.bind
        local = literal_address(bind, 0) if bind else None
        families: dict[int, list[SocketAddress]] = {}
        for address in dict.fromkeys(addresses):
            if local is None or local.family == address.family:
                families.setdefault(address.family, []).append(address)
        return [of_family[:MOST_ADDRESSES] for of_family in families.values()]

    def _answered(self, response: AnnounceResponse | None, reason: str) -> None:
        self._waiting -= 1
        if response is None:
            self._reasons.append(reason)
        else:
            self._responses.append(response)
        if self._waiting == 0:
            self._finish(self._reasons[0] if self._reasons else "")
        elif response is not None and not response.failure:
            self._other_family = self._raw_server.add_task(
                self._finish, OTHER_FAMILY_SECONDS, ("",), self._context
            )

    def _finish(self, reason: str) -> None:
        if self._over:
            return
        self.cancel()
        if self._responses:
            self._done(put_together(self._responses), "")
        else:
            self._done(None, reason)


def put_together(responses: list[AnnounceResponse]) -> AnnounceResponse:
    """Return what the families of one tracker answered as one; a refusal if all refuse."""
    granted = [response for response in responses if not response.failure]
    if not granted:
        return responses[0]
    return granted[0]._replace(
        interval=max(response.interval for response in granted),
        peers=tuple(peer for response in granted for peer in response.peers),
        complete=max(response.complete or 0 for response in granted),
        incomplete=max(response.incomplete or 0 for response in granted),
    )
