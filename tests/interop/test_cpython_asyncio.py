"""CPython's own tests of selectors and asyncio, on a RawServer.

Each of its tests is one here. Those that are left out stand in `LEFT_OUT` with the reason.
"""

import unittest
from typing import Any

import pytest

from interop.peers.program import missing
from rawserver import RawServer
from rawserver.asyncio import EventLoop, RawServerSelector

try:
    from test import test_selectors
    from test.test_asyncio import (
        test_buffered_proto,
        test_events,
        test_sendfile,
        test_server,
        test_sock_lowlevel,
        test_sslproto,
        test_streams,
    )
    from test.test_asyncio import utils as test_utils
except ImportError:
    HAS_TESTS = False
else:
    HAS_TESTS = True
    # Since 3.14 there is no child watcher that they would need on Unix.
    EventLoopTests = getattr(
        test_events, "UnixEventLoopTestsMixin", test_events.EventLoopTestsMixin
    )

# CPython's tests leave sockets and loops to the collector, use what is deprecated, and let fail
# what they check to fail; that is their matter.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning",
    "ignore::DeprecationWarning",
    "ignore::RuntimeWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)

LEFT_OUT = {
    "test_above_fd_setsize": (
        "wants 10,000 events of one select; a turn takes 1,023 from epoll, and the next ones the"
        " others, so that tasks are not late"
    ),
    "test_modify_unregister": (
        "is about the standard library's own classes, by name; what it asks is asked in"
        " tests/engine/test_asyncio_selector.py"
    ),
}

left_out: set[str] = set()


class OwnSelector(RawServerSelector):
    """A selector with a RawServer of its own."""

    def __init__(self) -> None:
        super().__init__(RawServer())

    def close(self) -> None:
        super().close()
        self.raw_server.close()


class OwnLoop(EventLoop):
    """A loop with a RawServer of its own."""

    def __init__(self) -> None:
        super().__init__(RawServer())

    def close(self) -> None:
        super().close()
        self.raw_server.close()


def new_loop(*_: object) -> OwnLoop:
    return OwnLoop()


def judged(kind: type) -> type:
    """Leave out what is to be left out."""
    for name in set(LEFT_OUT) & set(dir(kind)):
        left_out.add(name)
        setattr(kind, name, unittest.skip(LEFT_OUT[name])(getattr(kind, name)))
    return kind


def test_cpython_has_its_tests() -> None:
    if not HAS_TESTS:
        missing("CPython's test package (on Debian libpython3-testsuite)")
    assert left_out == set(LEFT_OUT), "what is left out must be there"


if HAS_TESTS:

    @judged
    class TestSelector(
        test_selectors.BaseSelectorTestCase,
        test_selectors.ScalableSelectorMixIn,
        unittest.TestCase,
    ):
        SELECTOR = OwnSelector

    @judged
    class TestEvents(
        EventLoopTests,
        test_events.SubprocessTestsMixin,
        test_utils.TestCase,
    ):
        create_event_loop = new_loop

    @judged
    class TestSockets(test_sock_lowlevel.BaseSockTestsMixin, test_utils.TestCase):
        create_event_loop = new_loop

    @judged
    class TestSendfile(test_sendfile.SendfileTestsBase, test_utils.TestCase):
        create_event_loop = new_loop

    @judged
    class TestServer(test_server.BaseStartServer, unittest.TestCase):
        new_loop = new_loop

    @judged
    class TestBufferedProtocol(test_buffered_proto.BaseTestBufferedProtocol, unittest.TestCase):
        new_loop = new_loop

    @judged
    class TestStartTls(test_sslproto.BaseStartTLS, unittest.TestCase):
        new_loop = new_loop

    @judged
    class TestStreams(test_streams.StreamTests):
        def setUp(self) -> None:
            super().setUp()
            self.loop.close()
            self.loop: Any = OwnLoop()
            self.set_event_loop(self.loop)
