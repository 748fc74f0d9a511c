"""A tracker for people that it knows: each has a key in the path of his announces."""

from __future__ import annotations

from collections.abc import Callable

from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.gate import Refused
from rawserver.services.tracker.watched_file import WatchedFile
from rawserver.swarm.accounting import Accounting
from rawserver.swarm.registry import AnnounceResult
from rawserver.swarm.user_keys import parse_user_keys
from rawserver.wire.announce_request import AnnounceRequest


class UserList(WatchedFile[dict[str, str]]):
    """The users of a file, `KEY NAME` a line. A key is never reported nor shown."""

    parse = staticmethod(parse_user_keys)

    def get(self, passkey: str) -> str | None:
        """Return the name of a key's user, None if it is nobody's."""
        # That this takes as long as it takes tells a guesser nothing: a dictionary compares what
        # it is asked for only with what has the same hash, which is keyed by chance, never
        # character by character with what is nearly the same.
        return self.contents.get(passkey)

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self.contents)


# Says whose a key is; a UserList's `get`, a dictionary's, or anything else.
NameOf = Callable[[str], str | None]


class Passkeys:
    """Refuses who has no key: `/KEY/announce` is where a user's client announces to."""

    def __init__(self, name_of: NameOf) -> None:
        self._name_of = name_of

    def __call__(self, announce: AnnounceRequest, asker: Asker) -> str | None:
        """Raise Refused for a key that is nobody's, and for none."""
        self.admit(asker)
        return None

    def admit(self, asker: Asker) -> None:
        """Do the same for `/KEY/scrape` and `/KEY/file`. A scrape by UDP has no key (BEP 41)."""
        if not asker.passkey:
            raise Refused("this tracker wants a passkey in its URL: http://.../PASSKEY/announce")
        if self._name_of(asker.passkey) is None:
            raise Refused("unknown passkey")


class AccountKeeper:
    """A watcher that adds what each user's announces say to his account.

    `clock` is the network's `time`. `doubt(name, announce, asker)`, if given, is called for an
    announce whose amounts cannot be.
    """

    def __init__(
        self,
        name_of: NameOf,
        accounting: Accounting,
        clock: Callable[[], float],
        doubt: Callable[[str, AnnounceRequest, Asker], None] | None = None,
    ) -> None:
        self._name_of = name_of
        self._accounting = accounting
        self._clock = clock
        self._doubt = doubt

    def __call__(self, announce: AnnounceRequest, asker: Asker, result: AnnounceResult) -> None:
        """Count an announce; of somebody whose key was taken from him meanwhile, nothing."""
        name = self._name_of(asker.passkey)
        if name is None:
            return
        credible = self._accounting.note(name, announce, self._clock())
        if not credible and self._doubt is not None:
            self._doubt(name, announce, asker)
