import subprocess
import sys
from typing import Any

import pytest

from kit.loop import run_until
from rawserver import RawServer
from rawserver.engine.tls import TlsClient
from rawserver.http import https_trust
from rawserver.http.https_trust import HttpsTrust


def test_the_systems_is_read_once_for_all(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[TlsClient] = []

    def reading() -> TlsClient:
        read.append(TlsClient(verify=False))
        return read[-1]

    monkeypatch.setattr(https_trust, "system_trust", reading)
    trust = HttpsTrust(raw_server)
    answers: list[Any] = []
    for _ in range(3):
        trust.ask(lambda *answer: answers.append(answer))
    assert not answers
    run_until(raw_server, lambda: len(answers) == 3)
    assert answers == [(read[0], None)] * 3
    assert trust.tls is read[0]
    assert len(read) == 1


def test_what_could_not_be_read_is_tried_again(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = TlsClient(verify=False)
    outcomes: list[Any] = [tls, OSError("gone")]

    def reading() -> TlsClient:
        outcome = outcomes.pop()
        if isinstance(outcome, OSError):
            raise outcome
        assert isinstance(outcome, TlsClient)
        return outcome

    monkeypatch.setattr(https_trust, "system_trust", reading)
    trust = HttpsTrust(raw_server)
    answers: list[Any] = []
    for count in (1, 2):
        trust.ask(lambda *answer: answers.append(answer))
        run_until(raw_server, lambda count=count: len(answers) == count)
    assert [str(error) for _, error in answers] == ["gone", "None"]
    assert answers[1][0] is tls


def test_the_systems_trust_verifies() -> None:
    tls = https_trust.system_trust()
    with pytest.raises(ValueError, match="needs the server's name"):
        tls.wrap(*_bios())


def _bios() -> tuple[Any, Any]:
    import ssl

    return ssl.MemoryBIO(), ssl.MemoryBIO()


def test_the_client_alone_does_not_load_openssl() -> None:
    command = "import sys, rawserver.http.client; print('ssl' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "False"
