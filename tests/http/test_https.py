"""The client over TLS: what it takes, what it refuses, and where redirects may lead it."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kit.certificates import Authority
from kit.fake_connection import FakeConnection
from kit.fake_loop import FakeLoop
from kit.joined import listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer, SingleSocket
from rawserver.engine.tls import TlsClient, TlsServer
from rawserver.http import https_trust
from rawserver.http.client import HttpClient, HttpError, HttpReply
from rawserver.http.response import HttpResponse
from rawserver.http.server import HttpServer

Outcome = tuple[HttpReply | None, HttpError | None]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def trusting(authority: Authority) -> TlsClient:
    return TlsClient(authorities=authority.path)


def server_tls(authority: Authority, *names: str, **options: Any) -> TlsServer:
    return TlsServer(*authority.issue(*names, **options))


def found(request: Any, later: Any) -> HttpResponse:
    return HttpResponse(f"found {request.path}".encode())


def serve(raw_server: RawServer, tls: TlsServer | None, respond: Any = found) -> int:
    return listen(raw_server, HttpServer(raw_server, respond), tls=tls)


def fetch(raw_server: RawServer, url: str, tls: TlsClient | None, **options: Any) -> Outcome:
    outcomes: list[Outcome] = []
    client = HttpClient(raw_server, tls=tls)
    client.get(url, lambda *outcome: outcomes.append(outcome), **options)
    assert not outcomes
    run_until(raw_server, lambda: outcomes)
    raw_server.listen_once(0)
    assert len(outcomes) == 1
    return outcomes[0]


def error_of(raw_server: RawServer, url: str, tls: TlsClient | None, **options: Any) -> str:
    reply, error = fetch(raw_server, url, tls, **options)
    assert reply is None
    assert str(error).startswith(f"{url}: ")
    assert str(error).isprintable()
    return str(error).removeprefix(f"{url}: ")


def test_a_name_and_an_address(
    raw_server: RawServer, authority: Authority, trusting: TlsClient
) -> None:
    asked: list[Any] = []

    def respond(request: Any, later: Any) -> HttpResponse:
        asked.append(request)
        return HttpResponse(b"found")

    port = serve(raw_server, server_tls(authority, "localhost", "127.0.0.1"), respond)
    for host in ("localhost", "127.0.0.1"):
        url = f"https://{host}:{port}/a"
        reply, error = fetch(raw_server, url, trusting)
        assert error is None
        assert reply == HttpReply(url, b"found", "text/plain; charset=utf-8")
    assert [request.path for request in asked] == ["/a", "/a"]


def test_the_server_is_told_the_name_that_is_asked_for(
    raw_server: RawServer, authority: Authority, trusting: TlsClient
) -> None:
    default, other = authority.issue("other.example"), authority.issue("localhost")
    tls = TlsServer(*default, names={"localhost": other})
    port = serve(raw_server, tls)
    reply, _ = fetch(raw_server, f"https://localhost:{port}/a", trusting)
    assert reply is not None


def test_an_ipv6_address(raw_server: RawServer, authority: Authority, trusting: TlsClient) -> None:
    serversocket = raw_server.create_serversocket(0, "::1")
    server = HttpServer(raw_server, found)
    raw_server.start_listening(serversocket, server, tls=server_tls(authority, "::1"))
    url = f"https://[::1]:{serversocket.getsockname()[1]}/a"
    reply, _ = fetch(raw_server, url, trusting)
    assert reply is not None


# What is refused.

NOT_TRUSTED = "no connection: TLS: handshake failed: the peer's certificate is not trusted: "


def test_a_server_that_the_system_does_not_know(
    raw_server: RawServer, authority: Authority
) -> None:
    port = serve(raw_server, server_tls(authority, "localhost"))
    text = error_of(raw_server, f"https://localhost:{port}/a", None)
    assert text.startswith(NOT_TRUSTED)
    assert "certificate" in text.removeprefix(NOT_TRUSTED)


def test_one_of_another_name(
    raw_server: RawServer, authority: Authority, trusting: TlsClient
) -> None:
    port = serve(raw_server, server_tls(authority, "other.example"))
    text = error_of(raw_server, f"https://localhost:{port}/a", trusting)
    assert text.startswith(NOT_TRUSTED)
    assert "localhost" in text
    text = error_of(raw_server, f"https://127.0.0.1:{port}/a", trusting)
    assert "127.0.0.1" in text


def test_one_whose_time_is_over(
    raw_server: RawServer, authority: Authority, trusting: TlsClient
) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    port = serve(raw_server, server_tls(authority, "localhost", not_after=past))
    text = error_of(raw_server, f"https://localhost:{port}/a", trusting)
    assert text == f"{NOT_TRUSTED}certificate has expired"


def test_who_does_not_verify_takes_any(raw_server: RawServer, authority: Authority) -> None:
    port = serve(raw_server, server_tls(authority, "other.example"))
    reply, _ = fetch(raw_server, f"https://localhost:{port}/a", TlsClient(verify=False))
    assert reply is not None


def test_one_that_speaks_no_tls(raw_server: RawServer, trusting: TlsClient) -> None:
    port = serve(raw_server, None)
    text = error_of(raw_server, f"https://127.0.0.1:{port}/a", trusting)
    assert text.startswith("no connection: TLS: handshake failed: ")


def test_one_that_says_nothing(raw_server: RawServer, trusting: TlsClient) -> None:
    port = listen(raw_server, Recorder())
    text = error_of(raw_server, f"https://127.0.0.1:{port}/a", trusting, timeout=0.1)
    assert text == "no reply within 0.1 seconds"


def test_one_that_ends_amid_the_handshake(raw_server: RawServer, trusting: TlsClient) -> None:
    def end(connection: SingleSocket) -> None:
        connection.close()

    port = listen(raw_server, Recorder(data_came_in=end))
    text = error_of(raw_server, f"https://127.0.0.1:{port}/a", trusting)
    assert text.startswith("no connection: ")


def test_a_name_that_no_certificate_can_be_for(raw_server: RawServer, authority: Authority) -> None:
    # A stand-in for what OpenSSL refuses to ask for at all.
    tls = TlsClient(authorities=authority.path, server_name=".wrong")
    port = serve(raw_server, server_tls(authority, "localhost"))
    text = error_of(raw_server, f"https://127.0.0.1:{port}/a", tls)
    assert text.startswith("no certificate can be for it: ")


@pytest.mark.parametrize(
    ("head", "outcome"), [("Content-Length: 5\r\n", "found"), ("", "close_notify")]
)
def test_a_stream_that_is_cut_off(
    raw_server: RawServer, authority: Authority, trusting: TlsClient, head: str, outcome: str
) -> None:
    """Whole is what says how long it is; of the rest nobody knows who ended it."""

    def answer(connection: SingleSocket) -> None:
        connection.write(f"HTTP/1.1 200 OK\r\n{head}\r\nfound".encode())
        raw_server.add_task(cut, 0.0, (connection,))

    def cut(connection: SingleSocket) -> None:
        connection.socket().shutdown(socket.SHUT_WR)  # an attacker's FIN

    tls = server_tls(authority, "localhost")
    port = listen(raw_server, Recorder(data_came_in=answer), tls=tls)
    reply, error = fetch(raw_server, f"https://localhost:{port}/a", trusting)
    if outcome == "found":
        assert reply is not None
        assert reply.body == b"found"
    else:
        assert "the connection ended before the reply did: TLS: the stream ended" in str(error)


# Redirects.


def redirecting(raw_server: RawServer, tls: TlsServer | None, location: str) -> int:
    return serve(
        raw_server, tls, lambda *_: HttpResponse(status=302, headers={"Location": location})
    )


def test_from_http_to_https(
    raw_server: RawServer, authority: Authority, trusting: TlsClient
) -> None:
    url = f"https://localhost:{serve(raw_server, server_tls(authority, 'localhost'))}/a"
    port = redirecting(raw_server, None, url)
    reply, _ = fetch(raw_server, f"http://127.0.0.1:{port}/", trusting)
    assert reply is not None
    assert reply.url == url


def test_from_https_to_https(
    raw_server: RawServer, authority: Authority, trusting: TlsClient
) -> None:
    tls = server_tls(authority, "localhost")
    url = f"https://localhost:{serve(raw_server, tls)}/a"
    reply, _ = fetch(
        raw_server, f"https://localhost:{redirecting(raw_server, tls, url)}/", trusting
    )
    assert reply is not None
    assert reply.url == url


def test_from_https_to_http_is_not_followed(
    raw_server: RawServer, authority: Authority, trusting: TlsClient
) -> None:
    url = f"http://127.0.0.1:{serve(raw_server, None)}/a"
    port = redirecting(raw_server, server_tls(authority, "localhost"), url)
    text = error_of(raw_server, f"https://localhost:{port}/", trusting)
    assert text == f"a redirect from https to {url!r} is not followed"


class Dialled(FakeLoop):
    """A loop that remembers who was dialled, and whether a handshake began."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: list[FakeConnection] = []
        self.handshakes: list[str] = []

    def start_connection(self, address: tuple[str, int], handler: Any, context: Any) -> Any:
        connection = FakeConnection(*address)
        connection.handler = handler
        self.connections.append(connection)
        return connection

    def start_tls(self, connection: FakeConnection, tls: Any, *, server_name: str) -> None:
        self.handshakes.append(server_name)


def test_not_even_a_handshake_is_begun_where_a_redirect_must_not_lead(
    trusting: TlsClient,
) -> None:
    loop = Dialled()
    outcomes: list[Outcome] = []
    client = HttpClient(loop, tls=trusting)
    client.get("https://8.8.8.8/", lambda *outcome: outcomes.append(outcome))
    loop.turn()
    (connection,) = loop.connections
    connection.handler.connection_made(connection)
    assert loop.handshakes == ["8.8.8.8"]
    connection.handler.tls_started(connection)
    head = b"HTTP/1.1 302 Found\r\nLocation: https://192.168.1.1/\r\nContent-Length: 0\r\n\r\n"
    connection.handler.data_came_in(connection, head)
    loop.turn()
    second = loop.connections[1]
    second.handler.connection_made(second)
    assert loop.handshakes == ["8.8.8.8"]
    assert second.lost
    assert "into a local network" in str(outcomes[0][1])


# Ends.


def test_a_system_whose_trust_cannot_be_read(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reading() -> TlsClient:
        raise OSError("no such folder")

    monkeypatch.setattr(https_trust, "system_trust", reading)
    text = error_of(raw_server, "https://127.0.0.1:1/a", None)
    assert text == "whom the system trusts cannot be read: no such folder"


@pytest.mark.parametrize("when", ["at once", "amid the handshake"])
def test_cancelled_or_without_its_context_it_is_not_heard_of(
    raw_server: RawServer, trusting: TlsClient, when: str
) -> None:
    server = Recorder()
    url = f"https://127.0.0.1:{listen(raw_server, server)}/"
    outcomes: list[Outcome] = []
    raw_server.add_context("mine")
    client = HttpClient(raw_server, tls=trusting)
    waits: Callable[[], object] = lambda: when == "at once" or len(server.data) > 100  # noqa: E731
    request = client.get(url, lambda *outcome: outcomes.append(outcome))
    client.get(url, lambda *outcome: outcomes.append(outcome), "mine")
    run_until(raw_server, waits)
    request.cancel()
    raw_server.remove_context("mine")
    for _ in range(5):
        raw_server.listen_once(0.01)
    assert not outcomes
    assert server.events.count("connection_lost") == len(server.connections)


def test_the_end_of_the_context_while_the_systems_trust_is_read(
    raw_server: RawServer, tmp_path: Path
) -> None:
    outcomes: list[Outcome] = []
    raw_server.add_context("mine")
    client = HttpClient(raw_server)
    url = f"https://127.0.0.1:{listen(raw_server, Recorder())}/"
    client.get(url, lambda *outcome: outcomes.append(outcome), "mine")
    client.get(url, lambda *outcome: outcomes.append(outcome), timeout=0.3)
    raw_server.listen_once(0)
    raw_server.remove_context("mine")
    run_until(raw_server, lambda: outcomes)
    assert [str(error) for _, error in outcomes] == [f"{url}: no reply within 0.3 seconds"]
