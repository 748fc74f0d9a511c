"""Work: a function that runs off the loop, and what it comes to, told on the loop."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from rawserver.engine.contexts import Contexts

Done = Callable[[Any, BaseException | None], object]
# What a function returned, or None and what it raised.
Outcome = tuple[Any, BaseException | None]


class Work:
    """Call it off the loop: it runs `func(*args)` and posts a task with the outcome.

    `post` is `external_add_task`. The outcome is dropped when the context has ended since, though
    an equal one has begun again: that is another life, which did not ask for this. Where the two
    are to be apart in time, `run` and `tell` are called in its stead.
    """

    __slots__ = ("_args", "_context", "_contexts", "_done", "_func", "_post", "_things")

    def __init__(
        self,
        post: Callable[..., None],
        contexts: Contexts,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        done: Done | None,
        context: Hashable,
    ) -> None:
        self._post = post
        self._contexts = contexts
        self._func = func
        self._args = args
        self._done = done
        self._context = context
        # What a context owns begins anew with each of its lives.
        self._things = contexts.things(context)

    def __call__(self) -> None:
        self.tell(*self.run())

    def run(self) -> Outcome:
        """Run the function; returns what it comes to, for `tell`."""
        try:
            return self._func(*self._args), None
        except BaseException as caught:
            return None, caught

    def tell(self, result: Any, error: BaseException | None) -> None:
        """Post the outcome to the loop."""
        self._post(self._finish, 0.0, (result, error), self._context)

    def _finish(self, result: Any, error: BaseException | None) -> None:
        if self._contexts.things(self._context) is not self._things:
            return
        if self._done is not None:
            self._done(result, error)
        elif error is not None:
            raise error
