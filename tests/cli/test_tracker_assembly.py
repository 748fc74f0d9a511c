"""The tracker that options describe, asked without a network."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from cli.tracker_options_of_tests import tracker_options
from kit.content import metainfo_of, random_bytes
from kit.loop import run_until
from kit.tracker_desk import GETTER, HASH, SEED, announce, ask
from rawserver import RawServer
from rawserver.cli.command_error import CommandError
from rawserver.cli.tracker_assembly import TrackerAssembly
from rawserver.services.tracker.file_watch import TrackerFileError

KEY = "0123456789abcdef0123"


@pytest.fixture
def assemble(raw_server: RawServer) -> Iterator["Assemble"]:
    maker = Assemble(raw_server)
    yield maker
    maker.close()


class Assemble:
    """Makes assemblies, and ends them."""

    def __init__(self, raw_server: RawServer) -> None:
        self.raw_server = raw_server
        self.noted: list[str] = []
        self.made: list[TrackerAssembly] = []

    def __call__(self, *arguments: object) -> TrackerAssembly:
        options = tracker_options(*map(str, arguments))
        self.made.append(TrackerAssembly(self.raw_server, options, self.noted.append))
        return self.made[-1]

    def close(self) -> None:
        for assembly in self.made:
            closed: list[int] = []
            assembly.close(lambda closed=closed: closed.append(1))
            run_until(self.raw_server, lambda closed=closed: closed)
        self.made.clear()


def failure(assembly: TrackerAssembly, **fields: object) -> bytes:
    reply = announce(assembly.tracker, **fields)
    return bytes(reply.get(b"failure reason", b""))


def test_without_options_it_tracks_anything(assemble: Assemble) -> None:
    assembly = assemble()
    assert not assembly.tracker.gates
    assert not assembly.tracker.watchers
    assert failure(assembly) == b""
    assert announce(assembly.tracker)[b"min interval"] <= 450


def test_times_and_numbers_of_peers(assemble: Assemble) -> None:
    assembly = assemble("--interval", 100, "--min-interval", 60, "--numwant", 2, "--max-numwant", 3)
    for number in range(9):
        announce(assembly.tracker, b"-XX0001-%012d" % number, port=number + 1)
    reply = announce(assembly.tracker)
    assert len(reply[b"peers"]) == 12
    assert 90 <= reply[b"interval"] <= 100
    assert reply[b"min interval"] == 60
    assert len(announce(assembly.tracker, numwant=99)[b"peers"]) == 18


def test_lists_of_hashes_clients_and_addresses(assemble: Assemble, tmp_path: Path) -> None:
    (tmp_path / "allow").write_text(f"{HASH.hex()}\n{(b'y' * 20).hex()}\n")
    (tmp_path / "deny").write_text(f"{(b'y' * 20).hex()}\n")
    (tmp_path / "clients").write_text("-XX\n")
    (tmp_path / "not").write_text("-XX9\n")
    (tmp_path / "addresses").write_text("198.51.100.0/24\n")
    assembly = assemble(
        "--allow-hashes", tmp_path / "allow", "--deny-hashes", tmp_path / "deny",
        "--allow-clients", tmp_path / "clients", "--deny-clients", tmp_path / "not",
        "--deny-addresses", tmp_path / "addresses",
    )  # fmt: skip
    assert failure(assembly) == b""
    assert b"not tracked here" in failure(assembly, info_hash=b"x" * 20)
    assert b"refused here" in failure(assembly, info_hash=b"y" * 20)
    assert b"may not be used" in failure(assembly, peer_id=b"-YY0001-nobodynobody")
    assert b"may not be used" in failure(assembly, peer_id=b"-XX9001-nobodynobody")
    assert b"your address" in failure(assembly, ip="198.51.100.9")


def test_a_list_that_is_changed_is_read_again_when_asked(
    assemble: Assemble, tmp_path: Path
) -> None:
    path = tmp_path / "allow"
    path.write_text(f"{(b'y' * 20).hex()}\n")
    assembly = assemble("--allow-hashes", path)
    assert failure(assembly) != b""
    path.write_text(f"{HASH.hex()}\n")
    assembly.reload()
    run_until(assemble.raw_server, lambda: failure(assembly) == b"")


def test_a_folder_of_torrents(assemble: Assemble, tmp_path: Path) -> None:
    metainfo = metainfo_of(random_bytes(1000), "some.bin")
    (tmp_path / "some.torrent").write_bytes(metainfo.raw)
    assembly = assemble("--torrents", tmp_path, "--serve-torrents")
    assert b"not tracked here" in failure(assembly)
    assert failure(assembly, info_hash=metainfo.info_hash) == b""
    assert b"some.bin" in ask(assembly.tracker, "/").body


def test_users_and_their_accounts(assemble: Assemble, tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"{KEY} ann\n")
    assembly = assemble("--users", tmp_path / "users")
    assert b"wants a passkey" in failure(assembly)
    query = f"info_hash={'a' * 20}&peer_id={'b' * 20}&port=1&left=0&event=started"
    assert b"failure" not in ask(assembly.tracker, f"/{KEY}/announce", query).body
    assert b"unknown passkey" in ask(assembly.tracker, "/wrong/announce", query).body
    accounts = ask(assembly.tracker, "/users.json", ip="127.0.0.1").body
    assert b'"ann"' in accounts
    assert KEY.encode() not in accounts


def test_the_interval_is_enforced_if_asked(assemble: Assemble) -> None:
    assembly = assemble("--enforce-interval")
    announce(assembly.tracker, SEED, left=0, event="started")
    assert b"too soon" in failure(assembly, peer_id=SEED, left=0)


def test_an_address_has_a_rate_if_asked(assemble: Assemble) -> None:
    assembly = assemble("--rate", "0.01", "--burst", "2")
    assert [failure(assembly)[:12] for _ in range(3)] == [b"", b"", b"your address"]


def test_peers_are_verified_if_asked(assemble: Assemble) -> None:
    assembly = assemble("--nat-check", 1)
    announce(assembly.tracker, SEED, "127.0.0.1", left=0, port=1)
    assert announce(assembly.tracker, GETTER, "127.0.0.1", port=1)[b"peers"] == b""


def test_the_state_comes_back(assemble: Assemble, tmp_path: Path) -> None:
    path = tmp_path / "state"
    announce(assemble("--state", path).tracker, SEED, left=0)
    assemble.close()
    assert announce(assemble("--state", path).tracker)[b"complete"] == 1


def test_peers_of_this_machine_that_come_back_are_as_others_reach_them(
    assemble: Assemble, tmp_path: Path
) -> None:
    path = tmp_path / "state"
    announce(assemble("--state", path).tracker, SEED, "127.0.0.1", left=0)
    assemble.close()
    peers = announce(assemble("--state", path).tracker)[b"peers"]
    assert not peers.startswith(b"\x7f")


@pytest.mark.parametrize(
    ("trusted", "believed"), [("local", False), ("all", True), ("none", False)]
)
def test_who_may_say_where_he_is(assemble: Assemble, trusted: str, believed: bool) -> None:
    assembly = assemble("--trust-ip", trusted)
    fields = {"info_hash": HASH, "peer_id": SEED, "port": 1, "left": 0, "ip": "203.0.113.1"}
    ask(assembly.tracker, "/announce", urlencode(fields), ip="8.8.8.8")
    (peer,) = announce(assembly.tracker, compact=0)[b"peers"]
    assert (peer[b"ip"] == b"203.0.113.1") is believed


def test_an_access_log_and_an_icon(assemble: Assemble, tmp_path: Path) -> None:
    (tmp_path / "icon").write_bytes(b"icon")
    log = tmp_path / "log"
    assembly = assemble("--access-log", log, "--favicon", tmp_path / "icon")
    assert log.exists()
    assert ask(assembly.tracker, "/favicon.ico").body == b"icon"
    assembly.reload()


@pytest.mark.parametrize(
    "arguments",
    [
        "--allow-hashes {}/none",
        "--torrents {}/none",
        "--users {}/bad",
        "--favicon {}/none",
        "--access-log {}/none/log",
        "--state {}/none/state",
        "--trusted-proxy nonsense",
        "--store nonsense",
    ],
)
def test_what_cannot_be_had_is_told_in_one_line(
    assemble: Assemble, tmp_path: Path, arguments: str
) -> None:
    (tmp_path / "bad").write_text("short x\n")
    with pytest.raises((CommandError, OSError, TrackerFileError)) as caught:
        assemble(*arguments.format(tmp_path).split())
    assert str(caught.value)
    assert "\n" not in str(caught.value)
