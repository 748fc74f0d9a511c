"""Which programs may announce, by the peer ids that they give themselves."""

from __future__ import annotations

from collections.abc import Container

from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.gate import Refused
from rawserver.services.tracker.watched_file import WatchedFile
from rawserver.swarm.client_prefixes import ClientPrefixes, parse_client_prefixes
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.peer_id import client_name


class ClientIdList(WatchedFile[ClientPrefixes]):
    """The beginnings of peer ids of a file, one a line: `-TR`, `-qB45`.

    A container of the peer ids that begin so.
    """

    parse = staticmethod(parse_client_prefixes)

    def __contains__(self, peer_id: object) -> bool:
        return peer_id in self.contents

    def __len__(self) -> int:
        return len(self.contents)


class ClientIds:
    """Refuses programs that are not among the `allowed`, if there is such a list, or are `denied`.

    Either is a ClientPrefixes or a ClientIdList. What is denied is so though it is allowed: a
    version of a client, for instance. A program can say that it is another: this keeps honest
    ones out, with a reason that their users can read.
    """

    def __init__(
        self, allowed: Container[bytes] | None = None, denied: Container[bytes] = ()
    ) -> None:
        self._allowed = allowed
        self._denied = denied

    def __call__(self, announce: AnnounceRequest, asker: Asker) -> str | None:
        """Raise Refused for a program that may not."""
        peer_id = announce.peer_id
        if peer_id in self._denied or (self._allowed is not None and peer_id not in self._allowed):
            raise Refused(f"this program may not be used here: {client_name(peer_id)}")
        return None
