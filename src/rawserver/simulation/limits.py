"""What a simulated machine has of everything."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class MachineLimits:
    """Limits of one host; buffers in bytes, and as much as they really hold.

    They may be changed at any time, for what is opened from then on.
    """

    # RLIMIT_NOFILE of its process (EMFILE), and what the whole machine has (ENFILE).
    descriptors: int = 1024
    system_descriptors: int = 1_000_000
    # Sockets of the Internet that there is memory for, after which `socket` fails with ENOBUFS.
    sockets: int = 1_000_000
    # Linux's net.core.somaxconn.
    most_backlog: int = 4096
    # Enough for 10 Mbit/s over 200 ms; Linux begins smaller and tunes them up to several MiB.
    send_buffer: int = 256 * 1024
    receive_buffer: int = 256 * 1024
    # Linux's net.core.rmem_default.
    datagram_buffer: int = 212_992
    unix_buffer: int = 212_992
    # As BSD has it: a connection that was reset before it was accepted is ECONNABORTED. Linux
    # gives it out all the same, and its first call fails.
    accept_tells_aborts: bool = False
