"""A selector of the standard library whose waiting is a turn of a RawServer."""

from __future__ import annotations

import selectors
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from rawserver.engine.network import READABLE, WRITABLE

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer

_EVENTS = selectors.EVENT_READ | selectors.EVENT_WRITE
# From the bits of `selectors` to RawServer's.
_POLLED = [0, READABLE, WRITABLE, READABLE | WRITABLE]


class HasFileno(Protocol):
    """An object with a descriptor."""

    def fileno(self) -> int: ...


FileObject = int | HasFileno


class Watched:
    """A file object in the RawServer's poller: notes what it is ready for."""

    __slots__ = ("key", "mask", "selector", "since")

    def __init__(self, selector: RawServerSelector, key: selectors.SelectorKey, since: int) -> None:
        self.selector = selector
        self.key = key
        self.since = since
        self.mask = 0

    def ready(self, events: int) -> None:
        """Note the events; called by the RawServer."""
        selector = self.selector
        # What was registered in this turn was not polled for: the event is that of a file which
        # had the descriptor before.
        if self.since != selector.turn:
            self.mask = selectors.EVENT_READ if events & READABLE else 0
            if events & WRITABLE:
                self.mask |= selectors.EVENT_WRITE
            selector.noted.append(self)


class WatchedMap(Mapping[FileObject, selectors.SelectorKey]):
    """What a selector watches, by file object or descriptor."""

    def __init__(self, selector: RawServerSelector) -> None:
        self._selector = selector

    def __len__(self) -> int:
        return len(self._selector.watched)

    def __getitem__(self, fileobj: FileObject) -> selectors.SelectorKey:
        return self._selector.find(fileobj).key

    def __iter__(self) -> Iterator[int]:
        return iter(self._selector.watched)


class RawServerSelector(selectors.BaseSelector):
    """`select` makes one turn of the RawServer: its tasks, sockets and handlers run inside.

    What is registered here is polled together with the RawServer's own sockets, by its poller.
    While somebody selects, nobody else may turn the RawServer. Closing the selector leaves the
    RawServer running; when the RawServer ends, the selector watches nothing any more.

    `doneflag` does not end a `select`, nor forbid the next: who drives the selector looks at it,
    as `rawserver.asyncio.run` does.
    """

    def __init__(self, raw_server: RawServer) -> None:
        self.raw_server = raw_server
        # By descriptor; public for the selector's own parts, as are the next two.
        self.watched: dict[int, Watched] = {}
        self.noted: list[Watched] = []
        self.turn = 0
        self._map: WatchedMap | None = WatchedMap(self)
        # So that everything leaves the poller before it is closed.
        raw_server.own(self, None)

    def register(self, fileobj: FileObject, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file object.

        ValueError: no such events, or no descriptor. KeyError: it is watched already, or is one
        of the RawServer's own. OSError: it cannot be polled, as a file on disk.
        """
        if not events or events & ~_EVENTS:
            raise ValueError(f"there are no such events: {events!r}")
        if self._map is None:
            raise RuntimeError("the selector is closed")
        descriptor = descriptor_of(fileobj)
        if descriptor in self.watched:
            raise KeyError(f"{fileobj!r} (descriptor {descriptor}) is already registered")
        if self.raw_server.is_registered(descriptor):
            raise KeyError(f"{fileobj!r} (descriptor {descriptor}) is the RawServer's own")
        key = selectors.SelectorKey(fileobj, descriptor, events, data)
        watched = Watched(self, key, self.turn)
        self.raw_server.register(descriptor, watched, _POLLED[events])
        self.watched[descriptor] = watched
        return key

    def unregister(self, fileobj: FileObject) -> selectors.SelectorKey:
        """Watch a file object no more; KeyError if it is not. It may be closed already."""
        watched = self.find(fileobj)
        self._forget(watched)
        return watched.key

    def modify(self, fileobj: FileObject, events: int, data: Any = None) -> selectors.SelectorKey:
        """Change what a file object is watched for, or its data.

        Raises as `register` and `unregister` do; after an OSError it is watched no more.
        """
        if not events or events & ~_EVENTS:
            raise ValueError(f"there are no such events: {events!r}")
        watched = self.find(fileobj)
        key = watched.key
        if events != key.events:
            try:
                self.raw_server.poller.modify(key.fd, _POLLED[events])
            except BaseException:
                self._forget(watched)
                raise
        watched.key = key._replace(events=events, data=data)
        return watched.key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Make one turn, which waits `timeout` seconds at most, and return what is ready.

        Nothing is returned, and sooner, when the turn was one of the RawServer's own: a handler
        may have given the caller something to do. RuntimeError inside a turn, or after the end.
        """
        if self._map is None:
            raise RuntimeError("the selector is closed")
        noted = self.noted
        noted.clear()  # whoever else turned the RawServer; what is still ready is noted again
        self.turn += 1
        self.raw_server.listen_once(timeout if timeout is None or timeout > 0 else 0)
        # A handler may have changed what is watched after it was noted.
        watched = self.watched
        return [
            (one.key, one.mask & one.key.events)
            for one in noted
            if one.mask & one.key.events and watched.get(one.key.fd) is one
        ]

    def get_map(self) -> Mapping[FileObject, selectors.SelectorKey]:
        """Return what is watched, as it changes; None once closed."""
        # `BaseSelector.get_key` asks for the None, which its declared type leaves out.
        return self._map  # type: ignore[return-value]

    def close(self) -> None:
        """Watch nothing any more. The RawServer stays as it is."""
        self.end()
        self._map = None

    def end(self) -> None:
        """Leave the poller, because the RawServer ends."""
        self.raw_server.disown(self, None)
        for watched in list(self.watched.values()):
            self._forget(watched)

    def find(self, fileobj: FileObject) -> Watched:
        """Return how a file object is watched; KeyError if it is not."""
        try:
            return self.watched[descriptor_of(fileobj)]
        except KeyError:
            raise KeyError(f"{fileobj!r} is not registered") from None
        except ValueError:
            # One that is closed has no descriptor, but may be here still.
            for watched in self.watched.values():
                if watched.key.fileobj is fileobj:
                    return watched
            raise

    def _forget(self, watched: Watched) -> None:
        descriptor = watched.key.fd
        del self.watched[descriptor]
        # It may have been closed, and its descriptor given to a file that cannot be polled.
        with suppress(OSError):
            self.raw_server.unregister(descriptor, watched)


def descriptor_of(fileobj: FileObject) -> int:
    """Return a file object's descriptor; ValueError if it has none."""
    if isinstance(fileobj, int):
        descriptor = fileobj
    else:
        try:
            descriptor = int(fileobj.fileno())
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"{fileobj!r} is no file object") from None
    if descriptor < 0:
        raise ValueError(f"{fileobj!r} has the descriptor {descriptor}")
    return descriptor
