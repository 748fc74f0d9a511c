"""`share` and `get` meet through trackers that speak HTTPS and UDP."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.running import Running
from cli.torrents import single_torrent, write_files
from kit.certificates import Authority
from rawserver.cli.main import run

DATA = bytes(range(256)) * 1000


class Trackers(NamedTuple):
    """The trackers' URLs, and who vouches for the first."""

    https: str
    udp: str
    ca_file: str


@pytest.fixture(scope="module")
def trackers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trackers]:
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    program = Path(__file__).with_name("tracker_process.py")
    command = [sys.executable, str(program), *map(str, authority.issue("localhost"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port, udp_port = process.stdout.readline().split()
        yield Trackers(
            f"https://localhost:{port}/announce",
            f"udp://127.0.0.1:{udp_port}/announce",
            str(authority.path),
        )
        process.kill()


@pytest.mark.parametrize("scheme", ["https", "https unverified", "udp"])
def test_they_meet(trackers: Trackers, tmp_path: Path, scheme: str) -> None:
    url = trackers.udp if scheme == "udp" else trackers.https
    options = {"https": ["--ca-file", trackers.ca_file], "https unverified": ["--insecure"]}
    trust = options.get(scheme, [])
    name = scheme.replace(" ", "-")
    write_files(tmp_path, {name: DATA})
    with Running(tmp_path, "share", name, "--announce", url, *trust) as share:
        ready = share.event()
        assert ready["event"] == "ready"
        with Running(tmp_path, "get", f"{name}.torrent", "-o", "there", *trust) as get:
            code, events, stderr = get.end()
        assert (code, events[-1]["event"], stderr) == (0, "complete", "")
        assert (tmp_path / "there" / name).read_bytes() == DATA
        share.interrupt()
        assert share.end()[0] == 0


def test_a_tracker_that_is_not_trusted_is_told_of(trackers: Trackers, tmp_path: Path) -> None:
    torrent = single_torrent("a", DATA, announce=trackers.https.encode())
    write_files(tmp_path, {"a.torrent": torrent})
    with Running(tmp_path, "get", "a.torrent", "--timeout", "0.5") as get:
        code, _, stderr = get.end()
    assert code == 1
    start = f"tracker {trackers.https}: no connection: TLS: handshake failed: "
    assert f"{start}the peer's certificate is not trusted: " in stderr


def test_a_torrent_of_an_https_url(
    trackers: Trackers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tracker has none there; that it says so is what was asked over TLS."""
    url = trackers.https.replace("/announce", "/a.torrent")
    assert run(["get", url, "--ca-file", trackers.ca_file]) == 1
    assert capsys.readouterr().err == f"rawserver: error: {url}: the server answers 404\n"
    assert run(["get", url]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"rawserver: error: {url}: no connection: TLS: handshake failed: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["get", "share"])
def test_the_options_exclude_each_other(
    trackers: Trackers, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    arguments = [command, str(tmp_path), "--insecure", "--ca-file", trackers.ca_file]
    assert run(arguments) == 2
    assert "--ca-file and --insecure exclude each other" in capsys.readouterr().err
    assert run([command, str(tmp_path), "--ca-file", "/nowhere.pem"]) == 1
    assert "--ca-file /nowhere.pem: No such file or directory" in capsys.readouterr().err
