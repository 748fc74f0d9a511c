"""Announcing one torrent to its trackers (BEP 3, 7, 12, 15, 23, 24, 31)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from math import inf
from typing import Protocol

from rawserver.engine import RawServer, Task
from rawserver.http.url import UrlError
from rawserver.services.tracker_client import Announcing, TrackerClient, check_tracker_url
from rawserver.swarm.announce_tiers import AnnounceTiers
from rawserver.wire.announce_request import AnnounceRequest, Event
from rawserver.wire.announce_response import AnnounceResponse
from rawserver.wire.compact_peers import ip_to_bytes, is_address

# Within a local network an answer takes milliseconds; a tracker in trouble may take this long.
ANNOUNCE_TIMEOUT_SECONDS = 20.0
# Who leaves tells the tracker, but does not wait long for it to listen: for all that is to say.
STOP_TIMEOUT_SECONDS = 3.0
# BitTorrent 4.0.3's min_peers: with fewer the tracker is asked as soon as it allows.
FEW_PEERS = 20
LOOK_SECONDS = 5.0
# Never longer without a look, so that a clock's or a tracker's folly does not last.
LONGEST_WAIT_SECONDS = 300.0

Address = tuple[str, int]


class AnnouncedTorrent(Protocol):
    """What trackers are told of."""

    @property
    def info_hash(self) -> bytes: ...
    @property
    def peer_id(self) -> bytes: ...
    @property
    def listening_port(self) -> int: ...
    @property
    def bytes_uploaded(self) -> int: ...
    @property
    def bytes_downloaded(self) -> int: ...
    @property
    def bytes_left(self) -> int: ...
    @property
    def num_peers(self) -> int: ...


class Announcer:
    """Tells the trackers that we are there, what became of us, and passes on whom they name.

    `found(addresses)` is called with what they name, `report(text)` with what a person should
    know: each trouble once, not every time. `ip` is the address that trackers on this machine are
    told to hand out for us, "" to let them see for themselves. `client` may be shared.
    """

    def __init__(
        self,
        raw_server: RawServer,
        tiers: Sequence[Sequence[str]],
        torrent: AnnouncedTorrent,
        found: Callable[[Iterable[Address]], None],
        report: Callable[[str], None],
        *,
        client: TrackerClient | None = None,
        ip: str = "",
        context: Hashable = None,
    ) -> None:
        self._raw_server = raw_server
        self._torrent = torrent
        self._found = found
        self._report = report
        self._ip = ip
        self._context = context
        self._client = client or TrackerClient(raw_server)
        # Known to the tracker and us alone: we may change our entry from another address.
        self._key = raw_server.network.random_bytes(4).hex().encode()
        self._tracker_ids: dict[str, bytes] = {}
        self._told: dict[str, str] = {}
        usable = [[url for url in tier if self._is_usable(url)] for tier in tiers]
        self._tiers = AnnounceTiers(usable, raw_server.network.random)
        # What is still to be told, in order; when it is empty we only give a sign of life.
        self._events = deque([Event.STARTED])
        self._request: Announcing | None = None
        self._asking: str | None = None
        self._task: Task | None = None
        self._stopping = False

    def _is_usable(self, url: str) -> bool:
        try:
            check_tracker_url(url)
        except UrlError as error:
            self._report(f"tracker {error}; it is not asked")
            return False
        return True

    # Its life.

    def start(self) -> None:
        """Announce `started`, and go on at the trackers' intervals."""
        self._schedule()

    def completed(self) -> None:
        """Announce that the download has completed; once, and not for what began complete."""
        self._events.append(Event.COMPLETED)
        self._tiers.announce_now(self._now())
        if self._request is None:
            self._schedule()

    def stop(self, done: Callable[[], None]) -> None:
        """Announce `stopped` to the tracker that knows us, then call `done`, soon in any case."""
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
        url = self._tiers.current
        if self._request is not None:
            self._request.cancel()
            url = url or self._asking
        if url is None:
            self._raw_server.add_task(done, 0, (), self._context)
            return
        # A tracker counts completions by the event, so one that is still due goes before.
        last_words: deque[Event] = deque(
            event for event in self._events if event is Event.COMPLETED
        )
        last_words.append(Event.STOPPED)
        self._say(url, last_words, self._now() + STOP_TIMEOUT_SECONDS, done)

    def _say(self, url: str, events: deque[Event], until: float, done: Callable[[], None]) -> None:
        left = until - self._now()
        if not events or left <= 0:
            done()
            return
        self._request = self._client.announce(
            url,
            self._announce(url, events.popleft()),
            lambda response, reason: self._say(url, events, until, done),
            self._context,
            timeout=left,
        )

    def _now(self) -> float:
        return self._raw_server.network.time()

    def _schedule(self) -> None:
        if self._task is not None:
            self._task.cancel()
        at = self._tiers.next_announce_at
        if at != inf and not self._stopping:
            wait = min(max(0.0, at - self._now()), LONGEST_WAIT_SECONDS)
            if self._is_short_of_peers():
                wait = min(wait, LOOK_SECONDS)
            self._task = self._raw_server.add_task(self._look, wait, (), self._context)

    def _is_short_of_peers(self) -> bool:
        return self._torrent.bytes_left > 0 and self._torrent.num_peers < FEW_PEERS

    # One announce.

    def _look(self) -> None:
        now = self._now()
        if self._is_short_of_peers():
            self._tiers.hurry(now)
        url = self._tiers.next_tracker(now)
        if url is None:
            self._schedule()
            return
        event = self._events[0] if self._events else Event.NONE
        self._asking = url
        self._request = self._client.announce(
            url,
            self._announce(url, event),
            lambda response, reason: self._answered(url, event, response, reason),
            self._context,
            timeout=ANNOUNCE_TIMEOUT_SECONDS,
        )

    def _announce(self, url: str, event: Event) -> AnnounceRequest:
        torrent = self._torrent
        return AnnounceRequest(
            info_hash=torrent.info_hash,
            peer_id=torrent.peer_id,
            port=torrent.listening_port,
            uploaded=torrent.bytes_uploaded,
            downloaded=torrent.bytes_downloaded,
            left=torrent.bytes_left,
            event=event,
            numwant=0 if event is Event.STOPPED else None,
            key=self._key,
            tracker_id=self._tracker_ids.get(url, b""),
            ip=self._ip,
        )

    def _answered(
        self, url: str, event: Event, response: AnnounceResponse | None, reason: str
    ) -> None:
        self._request = None
        if response is None:
            self._tiers.failed(url, self._now())
            self._tell(url, f"tracker {url}: {reason}")
        elif response.failure:
            self._tiers.failed(url, self._now(), response.retry_in)
            never = "; it is not asked again" if response.retry_in == 0 else ""
            self._tell(url, f"tracker {url}: it refuses: {response.failure}{never}")
        else:
            self._take(url, event, response)
        self._schedule()

    def _take(self, url: str, event: Event, response: AnnounceResponse) -> None:
        self._tiers.succeeded(url, response.interval, response.min_interval, self._now())
        if event is not Event.NONE:
            self._events.popleft()
        if self._events:
            self._tiers.announce_now(self._now())  # not at the end of the interval just given
        if response.tracker_id:
            self._tracker_ids[url] = response.tracker_id
        self._tell(url, f"tracker {url} warns: {response.warning}" if response.warning else "")
        # Names are left out: a tracker must not make us look up whatever it likes.
        found = [(peer.ip, peer.port) for peer in response.peers if is_address(peer.ip)]
        self._found(self._without_us(found, response.external_ip))

    def _without_us(self, found: list[Address], external_ip: bytes) -> list[Address]:
        """Leave out where the tracker sees us ourselves (BEP 24): nobody need be dialled there."""
        if not external_ip:
            return found
        port = self._torrent.listening_port
        return [one for one in found if one[1] != port or ip_to_bytes(one[0]) != external_ip]

    def _tell(self, url: str, text: str) -> None:
        if self._told.get(url, "") != text:
            self._told[url] = text
            if text:
                self._report(text)
