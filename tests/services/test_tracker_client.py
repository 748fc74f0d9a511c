"""One client for HTTP, HTTPS and UDP trackers."""

from typing import Any

import pytest

from kit.certificates import Authority
from kit.joined import free_port, listen
from kit.loop import run_until
from kit.recorder import Recorder
from kit.udp_tracker import PEER4, REQUEST, Outcome, ScriptedUdpTracker
from rawserver import RawServer
from rawserver.engine.tls import TlsClient, TlsServer
from rawserver.http.response import HttpResponse
from rawserver.http.server import HttpServer
from rawserver.http.url import UrlError
from rawserver.services.tracker_client import (
    TrackerClient,
    check_tracker_url,
    is_this_machine,
    short_reason,
)
from rawserver.wire.announce_request import parse_announce_query
from rawserver.wire.announce_response import AnnounceResponse, encode_announce_response

RESPONSE = AnnounceResponse(900, 60, peers=(PEER4,), complete=1, incomplete=2)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def ask(client: TrackerClient, raw_server: RawServer, url: str, **options: Any) -> Outcome:
    outcome = Outcome(raw_server)
    client.announce(url, REQUEST, outcome, **{"timeout": 10.0, **options})
    assert not outcome.over, "done came from within a call of ours"
    run_until(raw_server, lambda: outcome.over)
    return outcome


def http_tracker(raw_server: RawServer, body: bytes, **options: Any) -> int:
    def respond(request: Any, later: Any) -> HttpResponse:
        assert parse_announce_query(request.query) == REQUEST
        return HttpResponse(body)

    return listen(raw_server, HttpServer(raw_server, respond), **options)


def test_by_http(raw_server: RawServer) -> None:
    port = http_tracker(raw_server, encode_announce_response(RESPONSE))
    client = TrackerClient(raw_server)
    outcome = ask(client, raw_server, f"http://127.0.0.1:{port}/announce")
    assert outcome.response == RESPONSE


def test_by_https(raw_server: RawServer, authority: Authority) -> None:
    tls = TlsServer(*authority.issue("localhost"))
    port = http_tracker(raw_server, encode_announce_response(RESPONSE), tls=tls)
    url = f"https://localhost:{port}/announce"
    trusting = TrackerClient(raw_server, tls=TlsClient(authorities=authority.path))
    assert ask(trusting, raw_server, url).response == RESPONSE
    outcome = ask(TrackerClient(raw_server), raw_server, url)
    assert outcome.response is None
    assert outcome.reason.startswith("no connection: TLS: ")
    assert "certificate" in outcome.reason


def test_by_udp_with_one_id_for_all(raw_server: RawServer) -> None:
    tracker = ScriptedUdpTracker(raw_server, "127.0.0.1")
    client = TrackerClient(raw_server)
    for _ in range(2):
        outcome = ask(client, raw_server, f"udp://127.0.0.1:{tracker.port}/announce")
        assert outcome.peers == (PEER4,)
    assert tracker.kinds == "caa"


def test_a_refusal_is_a_response(raw_server: RawServer) -> None:
    refusal = AnnounceResponse(failure="full", retry_in=60)
    port = http_tracker(raw_server, encode_announce_response(refusal))
    outcome = ask(TrackerClient(raw_server), raw_server, f"http://127.0.0.1:{port}/announce")
    assert outcome.response == refusal


def test_nonsense_is_a_reason(raw_server: RawServer) -> None:
    port = http_tracker(raw_server, b"<html>")
    outcome = ask(TrackerClient(raw_server), raw_server, f"http://127.0.0.1:{port}/announce")
    assert outcome.reason.startswith("the reply is not bencoded")


@pytest.mark.parametrize("scheme", ["http", "https", "udp"])
def test_nobody_there(raw_server: RawServer, scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{free_port(raw_server)}/announce"
    outcome = ask(TrackerClient(raw_server), raw_server, url)
    assert outcome.reason == "no connection: Connection refused"


@pytest.mark.parametrize("scheme", ["http", "https", "udp"])
def test_who_cancels_hears_nothing(raw_server: RawServer, scheme: str) -> None:
    silent = Recorder()
    port = listen(raw_server, silent)
    tracker = ScriptedUdpTracker(raw_server, "127.0.0.1", port)
    tracker.script = lambda request: []
    outcome = Outcome(raw_server)
    client = TrackerClient(raw_server, tls=TlsClient(verify=False))
    url = f"{scheme}://127.0.0.1:{port}/announce"
    announcing = client.announce(url, REQUEST, outcome, timeout=10.0)
    run_until(raw_server, lambda: silent.data or tracker.requests)
    announcing.cancel()
    for _ in range(3):
        raw_server.listen_once(0.01)
    assert not outcome.over


def test_what_is_not_to_be_asked_is_not(raw_server: RawServer) -> None:
    client = TrackerClient(raw_server)
    outcome = Outcome(raw_server)
    for url in ("http://localhost/shutdown", "gopher://192.0.2.1/announce"):
        with pytest.raises(UrlError):
            client.announce(url, REQUEST, outcome, timeout=10.0)
    raw_server.listen_once(0)
    assert not outcome.over


# URLs.

HERE = [
    "127.0.0.1", "127.9.9.9", "localhost", "[::1]", "a.localhost.", "0.0.0.0", "[::]",
    "[::ffff:127.0.0.1]", "127.1", "0", "2130706433", "0x7F.1", "017700000001.",
]  # fmt: skip


@pytest.mark.parametrize("host", HERE)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_other_services_of_this_machine_are_not_asked(scheme: str, host: str) -> None:
    for rest in ("shutdown?now=1", "x?/announce"):
        with pytest.raises(UrlError, match="leads to this machine, but not to /announce"):
            check_tracker_url(f"{scheme}://{host}:8080/{rest}")
    check_tracker_url(f"{scheme}://{host}:8080/key/announce?a=b")


def test_by_udp_a_service_of_this_machine_hears_nothing_of_the_strangers_choice() -> None:
    check_tracker_url("udp://127.0.0.1:8080/")


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "tracker.example", "::2", "localhost.example", "1.a0"]
)
def test_another_machine(host: str) -> None:
    assert not is_this_machine(host)


def test_ports_that_are_not_said() -> None:
    for scheme, port in (("http", 80), ("https", 443), ("udp", 80)):
        assert check_tracker_url(f"{scheme}://tracker/announce").port == port


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("wss://tracker/announce", "is no http://, https:// or udp:// URL"),
        (f"udp://tracker:80/{'x' * 1024}", "its path has more than 1024 bytes"),
        ("udp://tracker:0/", "port 0"),
        ("rubbish", "is no http://"),
    ],
)
def test_what_is_no_trackers_url(url: str, why: str) -> None:
    with pytest.raises(UrlError, match=why):
        check_tracker_url(url)


def test_the_long_url_is_left_out_of_a_reason() -> None:
    assert short_reason("http://t:80/announce?info_hash=%00: no reply") == "no reply"
    assert short_reason("https://t/announce?info_hash=%00: no reply") == "no reply"
    assert short_reason("it refuses: a: b") == "it refuses: a: b"
