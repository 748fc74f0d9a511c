"""A descriptor kept for when there are no others."""

from __future__ import annotations

import socket

from rawserver.engine.network import Network, Socket


class Reserve:
    """One socket that is given up to accept those whom there are no descriptors for.

    They cannot be served, but they can be closed, one after the other, and so learn of it. Without
    it they would wait in the backlog until their own time-outs.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._sock: Socket | None = None

    def fill(self) -> None:
        """Keep a descriptor, if there is one to be had."""
        if self._sock is None:
            try:
                self._sock = self._network.socket(socket.AF_INET, socket.SOCK_DGRAM)
            except OSError:
                pass  # there is a shortage now: the next time may do

    def shed(self, serversocket: Socket, limit: int) -> int:
        """Accept and close up to `limit` of those who wait; returns how many."""
        shed = 0
        self.close()
        try:
            while shed < limit:
                sock, _ = serversocket.accept()
                sock.close()
                shed += 1
        except OSError:
            pass  # nobody waits, or somebody else was given the descriptor
        self.fill()
        return shed

    def close(self) -> None:
        """Keep none."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
