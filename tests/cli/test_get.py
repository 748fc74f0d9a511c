import json

import pytest

from rawserver.cli.main import run


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("magnet:?xt=urn:btih:" + "0" * 40, "magnet links are not supported yet"),
        ("MAGNET:?", "magnet links are not supported yet"),
        ("ftp://host/a.torrent", "only http:// and https:// URLs"),
        ("http://:80/", "not a URL"),
        ("/nowhere/a.torrent", "/nowhere/a.torrent: No such file or directory"),
        ("/", "/: Is a directory"),
        ("", "No such file or directory"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(
    source: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["get", source, "--json"]) == 1
    captured = capsys.readouterr()
    event = json.loads(captured.out)
    assert event["event"] == "error"
    assert message in event["message"]
    assert captured.err == f"rawserver: error: {event['message']}\n"
