"""Who asks a tracker, and whether he is near it."""

import pytest

from rawserver.services.tracker.asker import Asker, is_local, is_loopback
from rawserver.wire.compact_peers import ip_to_bytes


@pytest.mark.parametrize(
    ("ip", "local"),
    [("127.0.0.1", True), ("10.1.2.3", True), ("169.254.1.1", True), ("fe80::1", True),
     ("fd00::1", True), ("8.8.8.8", False), ("2606:4700::1", False),
     ("172.16.0.1", True), ("172.32.0.1", False), ("100.64.0.1", False), ("240.0.0.1", False),
     ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False), ("2001:db8::1", False), ("::", False)],
)  # fmt: skip
def test_what_is_local(ip: str, local: bool) -> None:
    assert is_local(ip_to_bytes(ip)) is local


@pytest.mark.parametrize(
    ("ip", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False), ("::2", False)],
)
def test_what_leads_back_to_the_machine_itself(ip: str, loopback: bool) -> None:
    assert is_loopback(ip_to_bytes(ip)) is loopback


def test_who_asks_has_no_passkey_unless_he_says_one() -> None:
    assert Asker(b"\x08\x08\x08\x08").passkey == ""
