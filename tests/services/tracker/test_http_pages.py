"""What a tracker serves beside announces and scrapes."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from kit.tracker_desk import HASH, Desk, Names, announce, ask, seed
from rawserver import RawServer
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse
from rawserver.services.tracker import Listed, Tracker
from rawserver.services.tracker.catalog import TorrentDone
from rawserver.services.tracker.http_options import HttpOptions
from rawserver.services.tracker.http_pages import FEW_ROWS
from rawserver.services.tracker.kept_replies import KEEP_SECONDS
from rawserver.services.tracker.page_assets import PAGE_HEADERS


class Torrents(Names):
    """A catalogue that has .torrents, and may have a failure for each."""

    failure = ""

    def find(self, info_hash: bytes) -> Listed | None:
        listed = super().find(info_hash)
        return None if listed is None else listed._replace(failure=self.failure)

    def torrent(self, info_hash: bytes, done: TorrentDone) -> None:
        done(b"d4:infodee" if info_hash in self else None)


class SlowTorrents(Torrents):
    """A catalogue that has to read its .torrents."""

    def __init__(self, names: dict[bytes, str]) -> None:
        super().__init__(names)
        self.asked: list[TorrentDone] = []

    def torrent(self, info_hash: bytes, done: TorrentDone) -> None:
        self.asked.append(done)


def post(tracker: Tracker, path: str, ip: str = "127.0.0.1", **headers: str) -> Any:
    request = HttpRequest("POST", path, b"", ip, 4000, headers)
    return tracker.http.respond(request, lambda response: None)


# For people.


@pytest.mark.parametrize("path", ["/", "/index.html"])
def test_the_page_names_what_it_knows(path: str) -> None:
    tracker = Tracker(Desk(), catalog=Names({HASH: "a <name>"}))
    seed(tracker)
    response = ask(tracker, path)
    assert response.content_type == "text/html; charset=utf-8"
    assert response.headers == PAGE_HEADERS
    assert b"a &lt;name&gt;" in response.body
    assert HASH.hex().encode() in response.body


def test_names_may_be_kept_off_the_page() -> None:
    tracker = Tracker(Desk(), catalog=Names({HASH: "secret"}), http=HttpOptions(names=False))
    seed(tracker)
    assert b"secret" not in ask(tracker, "/").body


def test_a_name_that_is_no_text_costs_nobody_the_page() -> None:
    tracker = Tracker(Desk(), catalog=Names({HASH: "a\udcffb"}))
    seed(tracker)
    assert b"a?b" in ask(tracker, "/").body


def test_the_page_is_sorted_as_it_is_asked_for() -> None:
    tracker = Tracker(Desk(), catalog=Names({b"x" * 20: "an x", b"y" * 20: "a y"}))
    announce(tracker, info_hash=b"x" * 20)
    announce(tracker, info_hash=b"y" * 20, left=0)
    for query, first in (("", "an x"), ("sort=name", "a y"), ("sort=complete&order=asc", "an x")):
        body = ask(tracker, "/", query).body.decode()
        assert (body.index("an x") < body.index("a y")) is (first == "an x")


def test_only_so_many_torrents_are_listed_and_the_page_is_kept_a_moment() -> None:
    desk = Desk()
    tracker = Tracker(desk, http=HttpOptions(max_rows=FEW_ROWS))
    for number in range(FEW_ROWS + 5):
        announce(tracker, info_hash=b"%020d" % number)
    first = ask(tracker, "/")
    assert b"25 torrents, 25 peers. The first 20 are listed." in first.body
    assert ask(tracker, "/") is first
    assert ask(tracker, "/", "sort=size") is not first
    desk.now += KEEP_SECONDS
    assert ask(tracker, "/") is not first


def test_the_page_may_be_somewhere_else_or_nowhere() -> None:
    elsewhere = ask(Tracker(Desk(), http=HttpOptions(infopage_redirect="https://a.example/")), "/")
    assert (elsewhere.status, elsewhere.headers) == (302, {"Location": "https://a.example/"})
    assert ask(Tracker(Desk(), http=HttpOptions(infopage=False)), "/").status == 404


def test_the_favicon() -> None:
    tracker = Tracker(Desk(), http=HttpOptions(favicon=b"icon", favicon_type="image/png"))
    response = ask(tracker, "/favicon.ico")
    assert (response.body, response.content_type) == (b"icon", "image/png")


def test_a_file_is_served_where_it_is_published() -> None:
    tracker = Tracker(Desk())
    tracker.publish("/a%20b.torrent", b"d4:infodee", "application/x-bittorrent")
    response = ask(tracker, "/a%20b.torrent")
    assert response.body == b"d4:infodee"
    assert response.content_type == "application/x-bittorrent"


@pytest.mark.parametrize(
    "path", ["/favicon.ico", "/announce/", "/../etc/passwd", "", "*", "/file", "//announce", "/a/b"]
)
def test_there_is_nothing_else(path: str) -> None:
    assert ask(Tracker(Desk()), path).status == 404


# .torrents.


def test_a_torrent_is_given_by_its_hash() -> None:
    catalog = Torrents({HASH: 'a "näme"\udcff'})
    tracker = Tracker(Desk(), catalog=catalog, http=HttpOptions(torrents=True))
    response = ask(tracker, "/file", f"info_hash={quote(HASH)}")
    assert (response.status, response.body) == (200, b"d4:infodee")
    disposition = "attachment; filename*=UTF-8''a%20%22n%C3%A4me%22%3F.torrent"
    assert response.headers == {"Content-Disposition": disposition}
    statuses = {
        query: ask(tracker, "/file", query).status
        for query in ("", "info_hash=short", f"info_hash={'x' * 20}")
    }
    assert list(statuses.values()) == [400, 400, 404]
    catalog.failure = "withdrawn"
    assert ask(tracker, "/file", f"info_hash={quote(HASH)}").status == 404


@pytest.mark.parametrize(("read", "status"), [(b"d4:infodee", 200), (None, 404)])
def test_a_torrent_that_has_to_be_read_is_given_later(read: bytes | None, status: int) -> None:
    catalog = SlowTorrents({HASH: "a"})
    tracker = Tracker(Desk(), catalog=catalog, http=HttpOptions(torrents=True))
    request = HttpRequest("GET", "/file", f"info_hash={quote(HASH)}".encode(), "192.0.2.1", 4000)
    answers: list[HttpResponse] = []
    assert tracker.http.respond(request, answers.append) is None
    assert answers == []
    (done,) = catalog.asked
    done(read)
    assert [answer.status for answer in answers] == [status]


def test_no_torrent_is_given_unless_that_is_wanted() -> None:
    tracker = Tracker(Desk(), catalog=Torrents({HASH: "a"}))
    assert ask(tracker, "/file", f"info_hash={quote(HASH)}").status == 404


# For who watches.


def test_the_figures(raw_server: RawServer) -> None:
    tracker = Tracker(raw_server)
    seed(tracker)
    stats = ask(tracker, "/stats.json")
    assert stats.content_type == "application/json"
    assert json.loads(stats.body)["peers"] == 1
    metrics = ask(tracker, "/metrics")
    assert metrics.content_type.startswith("text/plain; version=0.0.4")
    assert b"rawserver_tracker_peers 1.0\n" in metrics.body
    assert ask(tracker, "/healthz").body == b"ok\n"


@pytest.mark.parametrize(
    ("audience", "local", "stranger"), [("all", 200, 200), ("local", 200, 403), ("none", 404, 404)]
)
def test_who_may_see_the_figures(
    raw_server: RawServer, audience: Any, local: int, stranger: int
) -> None:
    tracker = Tracker(raw_server, http=HttpOptions(statistics=audience))
    for path in ("/stats.json", "/metrics"):
        assert ask(tracker, path, ip="8.8.8.8").status == stranger
        assert ask(tracker, path, ip="192.168.1.5").status == local


def test_what_is_to_be_read_again_is_read_on_demand() -> None:
    tracker = Tracker(Desk())
    calls: list[str] = []
    tracker.http.reloads += [lambda: calls.append("a"), lambda: calls.append("b")]
    assert post(tracker, "/reload").status == 202
    assert calls == ["a", "b"]
    assert post(tracker, "/reload", ip="::1").status == 202
    assert post(tracker, "/reload", ip="203.0.113.9").status == 403
    # A page of any site, open in a browser of this machine.
    assert post(tracker, "/reload", origin="https://a.example").status == 403
    assert ask(tracker, "/reload", ip="127.0.0.1").status == 405
    assert len(calls) == 4


def test_who_has_the_token_may_ask_for_it_from_anywhere() -> None:
    tracker = Tracker(Desk(), http=HttpOptions(reload_token="a secret"))
    statuses = [
        post(tracker, "/reload", ip="203.0.113.9", authorization=said).status
        for said in ("Bearer a secret", "Bearer another", "Bearer é", "a secret", "")
    ]
    assert statuses == [202, 403, 403, 403, 403]


@pytest.mark.parametrize("path", ["/", "/stats.json", "/announce", "/scrape", "/key/announce"])
def test_nothing_else_is_posted_to(path: str) -> None:
    tracker = Tracker(Desk())
    response = post(tracker, path)
    assert response.status == 405
    assert response.headers == {"Allow": "GET, HEAD"}
    assert tracker.registry.num_peers == 0


@pytest.mark.parametrize("header", ["x-forwarded-for", "via", "forwarded", "x-real-ip"])
def test_who_comes_by_a_proxy_that_nobody_trusts_is_not_of_this_machine(header: str) -> None:
    tracker = Tracker(Desk(), http=HttpOptions(statistics="local"))
    tracker.http.add_private("/users.json", lambda: b"[]")
    assert post(tracker, "/reload", **{header: "8.8.8.8"}).status == 403
    for path in ("/users.json", "/stats.json"):
        request = HttpRequest("GET", path, b"", "127.0.0.1", 4000, {header: "8.8.8.8"})
        response = tracker.http.respond(request, lambda response: None)
        assert response is not None
        assert response.status == 403


def test_what_is_private_is_for_local_networks_alone() -> None:
    tracker = Tracker(Desk())
    tracker.http.add_private("/users.json", lambda: b"[]")
    told = ask(tracker, "/users.json", ip="192.168.1.7")
    assert (told.status, told.body, told.content_type) == (200, b"[]", "application/json")
    assert ask(tracker, "/users.json", ip="8.8.8.8").status == 403


def test_the_page_has_what_nobody_has_announced_yet() -> None:
    names = {HASH: "with peers", b"x" * 20: "without", b"y" * 20: "without either"}
    tracker = Tracker(Desk(), catalog=Names(names), http=HttpOptions(max_rows=2))
    seed(tracker)
    page = ask(tracker, "/").body
    assert [b"with peers" in page, b"without<" in page, b"without either" in page] == [
        True, True, False,
    ]  # fmt: skip
