from pathlib import Path

import pytest

from cli.torrents import single_torrent
from kit.certificates import Authority
from rawserver.cli.command_error import CommandError
from rawserver.cli.output import Output
from rawserver.cli.session import Session
from rawserver.cli.torrent_source import TorrentSource
from rawserver.engine import SingleSocket
from rawserver.engine.tls import TlsClient, TlsServer
from rawserver.wire.metainfo import Metainfo

TORRENT = single_torrent("a.bin", b"data")


def load(session: Session, source: str, tls: TlsClient | None = None) -> Metainfo:
    found: list[Metainfo] = []

    def loaded(metainfo: Metainfo) -> None:
        found.append(metainfo)
        session.finish()

    TorrentSource(source, tls).load(session, loaded)
    session.run(session.finish)
    return found[0]


class OneAnswer:
    """A server that answers every request with the same bytes."""

    def __init__(self, session: Session, answer: bytes, tls: TlsServer | None = None) -> None:
        self.answer = answer
        self.request = b""
        serversocket = session.raw_server.create_serversocket(0, "127.0.0.1")
        session.raw_server.start_listening(serversocket, self, tls=tls)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{serversocket.getsockname()[1]}/a.torrent"

    def external_connection_made(self, connection: SingleSocket) -> None:
        pass

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        self.request += data
        if b"\r\n\r\n" in self.request:
            connection.write(self.answer)
            connection.close_when_flushed()

    def connection_lost(self, connection: SingleSocket) -> None:
        pass


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.torrent").write_bytes(TORRENT)
    assert load(Session(Output()), str(tmp_path / "a.torrent")).name == "a.bin"


def test_a_url_is_fetched() -> None:
    session = Session(Output())
    server = OneAnswer(session, http(TORRENT))
    assert load(session, server.url).raw == TORRENT
    assert server.request.startswith(b"GET /a.torrent HTTP/1.1\r\n")


def test_an_https_url_is_fetched_from_who_is_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = TlsServer(*authority.issue("127.0.0.1"))
    session = Session(Output())
    server = OneAnswer(session, http(TORRENT), tls)
    assert load(session, server.url, TlsClient(authorities=authority.path)).raw == TORRENT
    session = Session(Output())
    server = OneAnswer(session, http(TORRENT), tls)
    with pytest.raises(CommandError, match="the peer's certificate is not trusted") as caught:
        load(session, server.url)
    assert str(caught.value).startswith(f"{server.url}: ")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (http(b"<html>", "404 Not Found"), "404"),
        (http(b"<html>"), "not a torrent"),
        (b"rubbish\r\n\r\n", ""),
        (b"", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", ""),
    ],
)
def test_a_bad_answer_is_one_line(answer: bytes, message: str) -> None:
    session = Session(Output())
    server = OneAnswer(session, answer)
    with pytest.raises(CommandError) as caught:
        load(session, server.url)
    assert str(caught.value).startswith(f"{server.url}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_host_that_is_not_there_is_one_line() -> None:
    session = Session(Output())
    serversocket = session.raw_server.create_serversocket(0, "127.0.0.1")
    url = f"http://127.0.0.1:{serversocket.getsockname()[1]}/a.torrent"
    serversocket.close()
    with pytest.raises(CommandError, match="refused") as caught:
        load(session, url)
    assert str(caught.value).startswith(f"{url}: ")


@pytest.mark.parametrize(
    "source",
    ["ftp://host/a", "http://", "http:///a", "http://host:99999/", "http://[x/", "http://h/a b"],
)
def test_what_is_no_url_is_refused_at_once(source: str) -> None:
    with pytest.raises(CommandError, match="URL"):
        TorrentSource(source)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"x\.torrent: No such file"):
        load(Session(Output()), str(tmp_path / "x.torrent"))
    with pytest.raises(CommandError, match="Is a directory"):
        load(Session(Output()), str(tmp_path))
