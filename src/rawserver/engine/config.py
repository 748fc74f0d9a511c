"""What a RawServer does by default."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Config:
    """Times in seconds, sizes in bytes; None means without limit."""

    # BitTorrent 4.0's socket_timeout: no byte in either direction for so long.
    idle_timeout: float | None = 300.0
    # How often those who were idle too long are looked for.
    timeout_check_interval: float = 1.0
    # A SYN that is lost twice is sent again after 1 and 3 seconds: who answers later is far away.
    connect_timeout: float | None = 30.0
    # An address of a name that has not answered by then gets the next one beside it (RFC 8305,
    # section 8).
    connection_attempt_delay: float = 0.25
    # The most connections in the making at once; the others wait for their turn. Half of the 1,024
    # descriptors that a process commonly may have stay free for those that were made; and a home
    # router, which remembers each that is not answered for a minute or two, keeps room in a table
    # of a few thousand.
    max_half_open: int | None = 500
    # What waits to be sent, and nothing of it is acknowledged for so long: the peer has gone, or
    # does not read. TCP itself doubles its patience up to two minutes between two attempts.
    write_stall_timeout: float | None = 120.0
    # Of who connects, the first byte has to come so soon; without limit, as in many protocols the
    # one that was connected to speaks first.
    first_bytes_timeout: float | None = None
    # A TLS handshake, and the header of a proxy before it. Two round trips, and some work.
    handshake_timeout: float | None = 10.0
    # Whether `close` resets: the peer is told that things went wrong, and no port here waits in
    # TIME_WAIT.
    close_with_rst: bool = False
    # After `close_when_flushed` a peer that still sends may take so long to see the end.
    linger_timeout: float = 2.0
    # The most connections that wait to be accepted; the system caps it (net.core.somaxconn).
    backlog: int = 4096
    # One turn takes so many from a listener; the others wait meanwhile.
    accepts_per_turn: int = 64
    # When descriptors or memory have run out, a listener rests so long instead of spinning; so
    # does a datagram socket.
    accept_pause: float = 0.5
    # One read of a handler that has no buffer of its own, and of one whose peer has filled that:
    # it has more to say than a request. Larger reads than that save no time any more.
    read_size: int = 64 * 1024
    bulk_read_size: int = 256 * 1024
    # Above this `write` says to wait; at the low mark `connection_flushed` says to go on.
    high_water_mark: int = 256 * 1024
    low_water_mark: int = 0
    # A handler that does not wait for a peer that does not read would fill the memory.
    write_buffer_limit: int | None = 64 * 1024 * 1024
    # What one connection may send in one turn, so that a fast one does not hold up the others.
    send_per_turn: int = 1024 * 1024
    # Datagrams taken from one socket in one turn.
    datagrams_per_turn: int = 64
    # Type of service (RFC 791) or traffic class (RFC 8200, section 7) of connections; 0: none.
    tos: int = 0
    # The local address from which connections are made; "" leaves it to the system.
    bind: str = ""
