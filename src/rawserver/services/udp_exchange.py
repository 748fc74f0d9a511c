"""An announce to a UDP tracker at its addresses of one family: connect, announce, try again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from rawserver.engine import RawServer, Task, UdpSocket
from rawserver.engine.network import SocketAddress
from rawserver.services.udp_connection_ids import UdpConnectionIds
from rawserver.wire.announce_request import AnnounceError
from rawserver.wire.announce_response import AnnounceResponse
from rawserver.wire.compact_peers import ip_to_bytes
from rawserver.wire.udp_tracker_replies import (
    UdpAnnounceReply,
    UdpConnectReply,
    UdpError,
    UdpReply,
    decode_udp_reply,
)
from rawserver.wire.udp_tracker_requests import encode_udp_connect

# BEP 15 waits 15 seconds before it sends again, which at a lost packet is long for a person, and
# longer than an announce may take altogether. TCP sends again after 1 (RFC 6298); who is asked here
# may have work before the answer. It doubles, as in BEP 15.
FIRST_WAIT_SECONDS = 2.0

# The announce as a datagram, of a connection id and a transaction id.
Encode = Callable[[bytes, bytes], bytes]
Done = Callable[[AnnounceResponse | None, str], None]


class UdpExchange:
    """One announce; `done(response, "")` or `done(None, reason)` is called once, from the loop.

    The addresses take turns until one gives a connection id; that one is announced to. What comes
    from anywhere else, or does not name our question, is as if it had not come. It ends, without a
    call, with its context; without an answer it goes on until it is closed.
    """

    def __init__(
        self,
        raw_server: RawServer,
        ids: UdpConnectionIds,
        addresses: Iterable[SocketAddress],
        encode: Encode,
        done: Done,
        context: Hashable,
    ) -> None:
        self._raw_server = raw_server
        self._ids = ids
        self._addresses = deque(addresses)
        self._encode = encode
        self._done = done
        self._context = context
        self._over = False
        self._socket: UdpSocket | None = None
        self._peer = ("", 0)
        self._packed_ip = b""
        # What was asked last, and what its answer must bring.
        self._question = self._transaction_id = b""
        # The id that is announced with: None while we ask for one.
        self._connection_id: bytes | None = None
        self._id_is_fresh = False
        self._reason = ""
        self._turns_left = len(self._addresses)
        self._wait = FIRST_WAIT_SECONDS
        self._timer: Task | None = None

    def start(self) -> None:
        """Begin; to be called from the loop."""
        self._open()

    def close(self) -> None:
        """End; `done` is not called any more."""
        self._over = True
        self._close_socket()

    # Its addresses.

    def _open(self) -> None:
        """Ask the first of the addresses; those that cannot be asked are left out."""
        while self._addresses:
            address = self._addresses[0].address
            # Of IPv6 it has the number of an interface, too, for addresses that need it.
            zone = f"%{address[3]}" if len(address) == 4 and address[3] else ""
            self._peer = address[0].partition("%")[0] + zone, address[1]
            try:
                self._socket = self._connected_socket()
                self._ask()
            except OSError as error:
                self._leave_out(error)
            else:
                return
        self._finish(None, self._reason or "the name has no address")

    def _connected_socket(self) -> UdpSocket:
        """Return a socket that hears of one address alone, and of what is said about it by ICMP."""
        raw_server = self._raw_server
        anywhere = "::" if ":" in self._peer[0] else "0.0.0.0"
        sock = raw_server.create_udpsocket(0, raw_server.config.bind or anywhere)
        udp_socket = raw_server.start_listening_udp(sock, self, self._context)
        try:
            udp_socket.connect(self._peer)
        except OSError:
            udp_socket.end()
            raise
        self._packed_ip = ip_to_bytes(self._peer[0])
        return udp_socket

    def _leave_out(self, error: OSError) -> None:
        self._reason = self._reason or f"no connection: {error.strerror or error}"
        self._close_socket()
        self._addresses.popleft()
        self._connection_id = None

    def _close_socket(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        udp_socket, self._socket = self._socket, None
        if udp_socket is not None and udp_socket.descriptor >= 0:
            udp_socket.end()

    # Its questions.

    def _ask(self) -> None:
        """Ask for a connection id, or announce if there is one; raises OSError."""
        known = self._ids.get(self._peer, self._raw_server.network.time())
        if known is not None and self._connection_id is None:
            self._connection_id, self._id_is_fresh = known, False
        self._transaction_id = self._raw_server.network.random_bytes(4)
        if self._connection_id is None:
            self._question = encode_udp_connect(self._transaction_id)
        else:
            self._question = self._encode(self._connection_id, self._transaction_id)
        self._send()

    def _send(self) -> None:
        assert self._socket is not None
        # If the system has no room to send it, that is a loss as any other.
        self._socket.write(self._question)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._raw_server.add_task(self._unanswered, self._wait, (), self._context)

    def _unanswered(self) -> None:
        self._turns_left -= 1
        if self._turns_left <= 0:
            self._wait *= 2.0
            self._turns_left = len(self._addresses) if self._connection_id is None else 1
        try:
            if self._connection_id is None and len(self._addresses) > 1:
                self._close_socket()
                self._addresses.rotate(-1)
                self._open()
            elif self._must_connect_again():
                self._forget_id()
                self._ask()
            else:
                self._send()
        except OSError as error:
            self._leave_out(error)
            self._open()

    def _must_connect_again(self) -> bool:
        """Tell whether our id may be what the tracker does not like: some then say nothing."""
        if self._connection_id is None:
            return False
        now = self._raw_server.network.time()
        return not self._id_is_fresh or self._ids.get(self._peer, now) is None

    def _forget_id(self) -> None:
        self._ids.drop(self._peer)
        self._connection_id = None

    # Its answers.

    def data_came_in(self, address: Any, data: bytes) -> None:
        """Take a datagram; called by the engine."""
        # What came before the socket was connected is given, too.
        if address[1] != self._peer[1] or ip_to_bytes(address[0]) != self._packed_ip:
            return
        if self._over or len(data) < 8 or data[4:8] != self._transaction_id:
            return
        try:
            reply = decode_udp_reply(data, len(self._packed_ip))
        except AnnounceError as error:
            self._finish(None, str(error))
            return
        try:
            self._take(reply)
        except OSError as error:
            self._leave_out(error)
            self._open()

    def _take(self, reply: UdpReply) -> None:
        connecting = self._connection_id is None
        if isinstance(reply, UdpConnectReply) and connecting:
            now = self._raw_server.network.time()
            self._ids.put(self._peer, reply.connection_id, now)
            self._connection_id, self._id_is_fresh = reply.connection_id, True
            self._turns_left, self._wait = 1, FIRST_WAIT_SECONDS
            self._ask()
        elif isinstance(reply, UdpAnnounceReply) and not connecting:
            self._finish(reply.response, "")
        elif isinstance(reply, UdpError):
            if connecting or self._id_is_fresh:
                self._finish(AnnounceResponse(failure=reply.reason), "")
            else:
                self._forget_id()
                self._ask()
        else:
            self._finish(None, "the reply is to another question")

    def error_received(self, udp_socket: UdpSocket, error: OSError) -> None:
        """Hear that a question did not arrive (ICMP); called by the engine."""
        if not self._over and udp_socket is self._socket:
            self._leave_out(error)
            self._open()

    def _finish(self, response: AnnounceResponse | None, reason: str) -> None:
        if not self._over:
            self.close()
            self._done(response, reason)
