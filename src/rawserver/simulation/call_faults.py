"""Calls of the kernel that fail because a test says so."""

from __future__ import annotations

from collections.abc import Callable

from rawserver.simulation.description import error_of

# Those that may be made to fail: the ones that find out whether there is room for something.
CALLS = ("socket", "bind", "connect", "accept")


class CallFault:
    """One kind of call that fails, until it is removed or the `with` block ends."""

    __slots__ = ("_faults", "call", "code", "when")

    def __init__(
        self, faults: CallFaults, call: str, code: int, when: Callable[[], object]
    ) -> None:
        self._faults = faults
        self.call = call
        self.code = code
        self.when = when

    def remove(self) -> None:
        """Have the calls go well again; no harm if they do."""
        self._faults.remove(self)

    def __enter__(self) -> CallFault:
        return self

    def __exit__(self, *caught: object) -> None:
        self.remove()


class CallFaults:
    """Which calls of a kernel fail, with which errno."""

    __slots__ = ("_faults",)

    def __init__(self) -> None:
        self._faults: list[CallFault] = []

    def add(self, call: str, code: int, when: Callable[[], object] = lambda: True) -> CallFault:
        """Have a call of `CALLS` fail with an errno whenever `when()` says so."""
        if call not in CALLS:
            raise ValueError(f"{call!r} is none of {', '.join(CALLS)}")
        fault = CallFault(self, call, code, when)
        self._faults.append(fault)
        return fault

    def remove(self, fault: CallFault) -> None:
        """End a fault."""
        if fault in self._faults:
            self._faults.remove(fault)

    def check(self, call: str) -> None:
        """Raise OSError if a call fails now."""
        for fault in tuple(self._faults):
            if fault.call == call and fault.when():
                raise error_of(fault.code)
