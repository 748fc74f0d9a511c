"""Magnet links: built, read, and refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire.magnet import Magnet, MagnetError, build_magnet, parse_magnet

HASH = bytes(range(20))
LINK = f"magnet:?xt=urn:btih:{HASH.hex()}"


def test_builds_one_line_that_others_read() -> None:
    link = build_magnet(
        HASH, "a b&c.bin", ["http://t.example/announce?k=1"], [("10.0.0.1", 6881), ("::1", 80)]
    )
    assert link == (
        f"{LINK}&dn=a%20b%26c.bin&tr=http%3A%2F%2Ft.example%2Fannounce%3Fk%3D1"
        "&x.pe=10.0.0.1:6881&x.pe=[::1]:80"
    )
    assert build_magnet(HASH) == LINK
    assert build_magnet(HASH, "\udcff") == f"{LINK}&dn=%3F"


def test_refuses_to_build_without_a_whole_hash() -> None:
    with pytest.raises(ValueError, match="20 bytes, not 19"):
        build_magnet(HASH[:-1])


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        LINK.upper().replace("URN", "urn").replace("XT", "xt"),
        f" {LINK}\n",
        f"magnet:?dn=&xt=urn:btih:{base64.b32encode(HASH).decode()}",
        f"magnet:?xt=urn:btih:{base64.b32encode(HASH).decode().lower()}",
        f"magnet:?xt=urn%3Abtih%3A{HASH.hex()}",
        f"magnet:?xt.1=urn:btih:{HASH.hex()}&xt.2=urn:btmh:1220{'0' * 64}",
        f"{LINK}&xt=urn:btih:{HASH.hex()}&unknown=1&&x",
    ],
)
def test_reads_the_info_hash_in_every_spelling(link: str) -> None:
    assert parse_magnet(link) == Magnet(HASH)


def test_reads_the_rest_and_leaves_out_what_is_no_address() -> None:
    link = (
        f"{LINK}&dn=a+b%26c&tr=http%3A%2F%2Fa&tr.1=udp://b:1/x&tr=junk&tr=http://a"
        "&x.pe=10.0.0.1:6881&x.pe=[::1]:80&x.pe=host.example:1&x.pe=a:0&x.pe=a:65536&x.pe=a&x.pe=:1"
        "&x.pe=a%0D%0A:1"
    )
    assert parse_magnet(link) == Magnet(
        HASH,
        "a b&c",
        ("http://a", "udp://b:1/x"),
        (("10.0.0.1", 6881), ("::1", 80), ("host.example", 1)),
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "does not begin with magnet"),
        ("a.torrent", "does not begin with magnet"),
        ("magnet:", "does not begin with magnet"),
        ("magnet:?", "no xt"),
        ("magnet:?dn=a", "no xt"),
        ("magnet:?xt=urn:sha1:abc", "no xt"),
        ("magnet:?xt=urn:btih:", "neither 40"),
        (LINK[:-1], "neither 40"),
        (LINK + "0", "neither 40"),
        ("magnet:?xt=urn:btih:" + "g" * 40, "neither hexadecimal nor base32"),
        ("magnet:?xt=urn:btih:" + "é" * 40, "neither hexadecimal nor base32"),
        ("magnet:?xt=urn:btih:" + "1" * 32, "neither hexadecimal nor base32"),
        (f"{LINK}&xt=urn:btih:{'0' * 40}", "two different"),
        ("magnet:?xt=urn:btmh:1220" + "0" * 64, "version 2"),
        (LINK + "&dn=" + "a" * 70_000, "more than 65536"),
    ],
)
def test_refuses_with_one_clear_line(text: str, reason: str) -> None:
    with pytest.raises(MagnetError, match=reason) as caught:
        parse_magnet(text)
    assert str(caught.value).isascii()


def test_trackers_and_peers_are_limited() -> None:
    link = build_magnet(
        HASH,
        trackers=[f"http://t{number}" for number in range(120)],
        peers=[("10.0.0.1", number + 1) for number in range(120)],
    )
    magnet = parse_magnet(link)
    assert (len(magnet.trackers), len(magnet.peers)) == (100, 100)


def test_every_truncation_of_the_hash_is_refused() -> None:
    for length in range(len(LINK)):
        with pytest.raises(MagnetError):
            parse_magnet(LINK[:length])


@given(
    st.binary(min_size=20, max_size=20),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(st.sampled_from(["http://a/?b=c&d#e", "udp://[::1]:1"]), unique=True),
    st.lists(st.sampled_from([("::1", 1), ("10.0.0.1", 65_535), ("a-b.c", 80)]), unique=True),
)
def test_round_trip(
    info_hash: bytes, name: str, trackers: list[str], peers: list[tuple[str, int]]
) -> None:
    magnet = parse_magnet(build_magnet(info_hash, name, trackers, peers))
    assert magnet == Magnet(info_hash, name, tuple(trackers), tuple(peers))


@given(st.text())
def test_any_text_gives_a_magnet_or_its_error(text: str) -> None:
    assert parse_magnet(f"{LINK}&{text}").info_hash == HASH
    with pytest.raises(MagnetError):
        parse_magnet(text)


def test_another_client_reads_ours() -> None:
    libtorrent = pytest.importorskip("libtorrent")
    link = build_magnet(HASH, "é b", ["http://a/announce", "udp://b:1"], [("10.0.0.1", 6881)])
    read = libtorrent.parse_magnet_uri(link)
    assert read.info_hashes.v1.to_bytes() == HASH
    assert read.name == "é b"
    assert read.trackers == ["http://a/announce", "udp://b:1"]
    assert read.peers == [("10.0.0.1", 6881)]
