"""Options of the tracker: as they are read, and those that do not go together."""

import pytest

from cli.tracker_options_of_tests import tracker_options
from rawserver.cli.command_error import CommandError


def test_without_any_it_tracks_everything_on_one_port() -> None:
    options = tracker_options()
    options.check()
    assert list(options.http) == [("", 6969)]
    assert not options.udp
    assert (options.interval, options.min_interval, options.expire) == (1800, None, None)
    assert (options.nat_check, options.workers, options.scrape) == (0, 1, "full")


def test_addresses_may_be_several() -> None:
    options = tracker_options("--http", "80", "--http", "[::1]:81", "--udp", "127.0.0.1:82")
    assert list(options.http) == [("", 80), ("::1", 81)]
    assert list(options.udp) == [("127.0.0.1", 82)]


def test_http_may_be_left_to_others() -> None:
    options = tracker_options("--no-http")
    options.check()
    assert not options.http_addresses
    assert tracker_options().http_addresses == (("", 6969),)


def test_the_page_may_lead_to_any_url() -> None:
    for url in ("https://a.example/?b=c#d", "http://a.example", "/elsewhere"):
        tracker_options("--redirect", url).check()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("--https 443", "--https needs a --certificate"),
        ("--certificate x.pem", "--certificate is for --https"),
        ("--key x.pem", "--key is that of a --certificate"),
        ("--no-udp --udp 1", "--no-udp and --udp contradict"),
        ("--no-http --no-udp", "there is nothing to listen on"),
        ("--redirect www.example", "--redirect is no URL"),
        ("--redirect https://a.example/\xff", "--redirect is no URL"),
        ("--log-nat-checks --nat-check 1", "--log-nat-checks needs"),
        ("--log-nat-checks --access-log x", "--log-nat-checks needs"),
        ("--workers 2", "--workers need a --store"),
        ("--workers 2 --store redis:/// --state x", "--state is for one"),
        ("--workers 2 --store redis:/// --users x", "--users are accounted for by one process"),
        ("--workers 2 --store redis:/// --http 0", "none of them can be 0"),
        ("--proxy-protocol", "--proxy-protocol needs a --trusted-proxy"),
        ("--interval 10 --min-interval 20", "--min-interval is longer than --interval"),
        ("--interval 5000000000", "--interval is more than a day"),
        ("--rate 1 --burst 0.5", "--burst is less than one announce"),
        ("--numwant 300", "--numwant is more than --max-numwant"),
        ("--serve-torrents", "need --torrents"),
        ("--torrent-messages", "need --torrents"),
    ],
)
def test_what_does_not_go_together_is_told(arguments: str, why: str) -> None:
    with pytest.raises(CommandError) as caught:
        tracker_options(*arguments.split()).check()
    assert why in str(caught.value)
