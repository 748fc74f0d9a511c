"""Who owns what on a RawServer, so that a context can be ended in one call."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from rawserver.engine.account import Account


class Endable(Protocol):
    """Anything that a context can own: a task, a connection, a listener."""

    def end(self) -> None: ...


class Contexts:
    """The live contexts and their things, in the order in which they came. None is always live."""

    def __init__(self) -> None:
        self._things: dict[Hashable, dict[Endable, None]] = {None: {}}
        # What each live context has of connections and bytes.
        self.accounts: dict[Hashable, Account] = {None: Account()}

    def __contains__(self, context: Hashable) -> bool:
        return context in self._things

    def add(self, context: Hashable, account: Account) -> None:
        """Begin a context; ValueError if it is there already."""
        if context in self._things:
            raise ValueError(f"the context {context!r} is there already")
        self._things[context] = {}
        self.accounts[context] = account

    def things(self, context: Hashable) -> dict[Endable, None] | None:
        """Return what a context owns, None if it is not live."""
        return self._things.get(context)

    def account(self, context: Hashable) -> Account | None:
        """Return a context's account, None if it is not live."""
        return self.accounts.get(context)

    def all_things(self) -> list[Endable]:
        """Return what all contexts own."""
        return [thing for things in self._things.values() for thing in things]

    def own(self, thing: Endable, context: Hashable) -> None:
        """Give a thing to a context; ValueError if it is not live."""
        things = self._things.get(context)
        if things is None:
            self.check(context)
        else:
            things[thing] = None

    def check(self, context: Hashable) -> None:
        """Raise ValueError if a context is not live."""
        if context not in self._things:
            raise ValueError(f"the context {context!r} was never added, or is removed")

    def disown(self, thing: Endable, context: Hashable) -> None:
        """Take a thing from a context; nothing if it is not there."""
        things = self._things.get(context)
        if things is not None:
            things.pop(thing, None)

    def end(self, context: Hashable) -> None:
        """End a context and all that it owns; nothing if it is not live. None has no end."""
        if context is None:
            raise ValueError("None is always live: end the loop instead")
        things = self._things.pop(context, {})
        self.accounts.pop(context, None)
        for thing in list(things):
            thing.end()

    def end_all(self) -> None:
        """End all things; the contexts stay."""
        for thing in self.all_things():
            thing.end()
