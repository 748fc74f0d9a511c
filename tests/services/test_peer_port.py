"""Several torrents on one port."""

from pathlib import Path

import pytest

from kit.content import metainfo_of, random_bytes
from kit.loop import run_until
from kit.scripted_peer import ScriptedPeer
from kit.seeding import Owner, Scene
from rawserver import RawServer, SingleSocket
from rawserver.services import peer_port as peer_port_module
from rawserver.services.peer import Peer
from rawserver.services.peer_port import PeerPort
from rawserver.services.torrent import Torrent
from rawserver.wire.peer_wire import Bitfield, Handshake


def test_the_handshake_says_which_torrent(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path, have=200_000)
    other = metainfo_of(random_bytes(50_000, 2), "other.bin")
    owner = Owner()
    torrent = Torrent(raw_server, scene.port, other, str(tmp_path / "other.bin"), owner)
    torrent.start()
    run_until(raw_server, lambda: owner.checked and scene.owner.checked)
    for metainfo in (scene.metainfo, other):
        peer = ScriptedPeer(raw_server, metainfo.info_hash).dial(scene.port.port)
        run_until(raw_server, lambda peer=peer: peer.got(Handshake))
        assert peer.got(Handshake)[0].info_hash == metainfo.info_hash
    assert len(scene.torrent.peers) == len(torrent.peers) == 1


def test_a_torrent_that_is_not_here_is_refused(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path, have=200_000)
    run_until(raw_server, lambda: scene.owner.checked)
    peer = ScriptedPeer(raw_server, bytes(20)).dial(scene.port.port)
    run_until(raw_server, lambda: peer.lost)
    assert not peer.messages


def test_strangers_are_so_many_at_a_time(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_port_module, "MAX_UNKNOWN_PEERS", 2)
    port = PeerPort(raw_server, 0, "127.0.0.1")
    strangers = [Stranger() for _ in range(3)]
    for stranger in strangers:
        raw_server.start_connection(("127.0.0.1", port.port), stranger)
    run_until(raw_server, lambda: sum(stranger.lost for stranger in strangers) == 1)
    port.close()
    run_until(raw_server, lambda: all(stranger.lost for stranger in strangers))


def test_strangers_are_closed_in_the_order_in_which_they_came(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[Peer] = []
    closed: list[Peer] = []
    accept, close = Peer.external_connection_made, Peer.close

    def note_joined(peer: Peer, connection: SingleSocket) -> None:
        joined.append(peer)
        accept(peer, connection)

    def note_closed(peer: Peer, reason: str) -> None:
        closed.append(peer)
        close(peer, reason)

    monkeypatch.setattr(Peer, "external_connection_made", note_joined)
    monkeypatch.setattr(Peer, "close", note_closed)
    port = PeerPort(raw_server, 0, "127.0.0.1")
    strangers = [Stranger() for _ in range(12)]
    for stranger in strangers:
        raw_server.start_connection(("127.0.0.1", port.port), stranger)
    run_until(raw_server, lambda: len(joined) == len(strangers))
    port.close()
    run_until(raw_server, lambda: all(stranger.lost for stranger in strangers))
    assert closed == joined


class Stranger:
    """Connects and says nothing."""

    lost = False

    def connection_made(self, connection: object) -> None:
        pass

    def connection_lost(self, connection: object) -> None:
        self.lost = True


def test_a_port_that_is_taken_is_an_error(raw_server: RawServer) -> None:
    port = PeerPort(raw_server, 0, "127.0.0.1")
    with pytest.raises(OSError, match="in use"):
        PeerPort(raw_server, port.port, "127.0.0.1")
    port.close()


def test_a_closed_port_answers_no_more(raw_server: RawServer, tmp_path: Path) -> None:
    scene = Scene(raw_server, tmp_path, have=200_000)
    run_until(raw_server, lambda: scene.owner.checked)
    peer = ScriptedPeer(raw_server, scene.metainfo.info_hash).dial(scene.port.port)
    run_until(raw_server, lambda: peer.got(Bitfield))
    scene.port.close()
    assert not peer.lost
    refused: list[BaseException] = []
    late = ScriptedPeer(raw_server, scene.metainfo.info_hash)
    late.connection_failed = lambda address, error: refused.append(error)  # type: ignore[method-assign]
    late.dial(scene.port.port)
    run_until(raw_server, lambda: refused)
