"""Why none of the addresses of a name could be reached, in one error."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Any

# An error is for reading: so many addresses are named in it, the others counted.
MOST_NAMED = 8

# From here there is no way to the address: of those that it has, it says nothing about the peer.
_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL,
           errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}  # fmt: skip


class ConnectErrors:
    """Collects what was found at each address."""

    def __init__(self) -> None:
        self._found: list[tuple[Any, BaseException]] = []

    def add(self, address: Any, error: BaseException) -> None:
        """Note that an address was not reached."""
        self._found.append((address, error))

    def most_telling(self) -> BaseException:
        """Return the first answer of a peer, else that there was none, else that there is no way.

        Where more than one address was tried, its text names them all with what was found there.
        """
        if not self._found:
            return OSError(errno.EADDRNOTAVAIL, "the name has no address")
        error = min((error for _, error in self._found), key=_rank)
        if len(self._found) == 1:
            return error
        if isinstance(error, OSError) and error.errno is not None:
            return OSError(error.errno, f"{error.strerror}{self._tried()}")
        error.add_note(self._tried().strip())
        return error

    def too_late(self, seconds: float, unanswered: Iterable[Any]) -> TimeoutError:
        """Return that the time was up while some addresses had not answered yet."""
        for address in unanswered:
            self.add(address, TimeoutError(errno.ETIMEDOUT, "no answer"))
        tried = self._tried() if len(self._found) > 1 else ""
        return TimeoutError(errno.ETIMEDOUT, f"no answer within {seconds:g} seconds{tried}")

    def _tried(self) -> str:
        named = [
            f"{address_text(address)}: {getattr(error, 'strerror', None) or error}"
            for address, error in self._found[:MOST_NAMED]
        ]
        if len(self._found) > MOST_NAMED:
            named.append(f"{len(self._found) - MOST_NAMED} more")
        return f" (tried {'; '.join(named)})"


def address_text(address: Any) -> str:
    """Return what `connect` takes as people write it: "192.0.2.1:80", "[2001:db8::1]:80"."""
    if not isinstance(address, tuple):
        return str(address)
    ip, port = address[0], address[1]
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _rank(error: BaseException) -> int:
    if isinstance(error, OSError) and error.errno in _NO_WAY:
        return 2
    return 1 if isinstance(error, TimeoutError) else 0
