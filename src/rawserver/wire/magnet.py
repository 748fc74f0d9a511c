"""Magnet links (BEP 9): a torrent named by its info-hash in one line of text."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

from rawserver.wire.tracker_url import url_problem

# Links are copied by people and by browsers; longer ones come from neither.
LONGEST_MAGNET = 65_536
# Each tracker is announced to and each peer dialled.
MOST_TRACKERS = 100
MOST_PEERS = 100

_PREFIX = "magnet:?"
_BTIH = "urn:btih:"
_PEER = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")


class MagnetError(ValueError):
    """The text is no magnet link that we understand. One line for a person."""


class Magnet(NamedTuple):
    """What a magnet link says. `info_hash`: 20 bytes. `name`: for display only, "" if unknown.

    `trackers`: URLs, each in a tier of its own. `peers`: (host or address, port) to begin with.
    """

    info_hash: bytes
    name: str = ""
    trackers: tuple[str, ...] = ()
    peers: tuple[tuple[str, int], ...] = ()


def build_magnet(
    info_hash: bytes,
    name: str = "",
    trackers: Sequence[str] = (),
    peers: Sequence[tuple[str, int]] = (),
) -> str:
    """Return a magnet link. `info_hash`: 20 bytes; raises ValueError for another length."""
    if len(info_hash) != 20:
        raise ValueError(f"an info-hash has 20 bytes, not {len(info_hash)}")
    # The colons of "urn:btih:" stay: many readers look for exactly this text.
    fields = [f"xt={_BTIH}{info_hash.hex()}"]
    if name:
        fields.append(f"dn={_escape(name)}")
    fields += [f"tr={_escape(url)}" for url in trackers]
    for host, port in peers:
        address = f"[{host}]" if ":" in host else host
        fields.append(f"x.pe={quote(f'{address}:{port}', safe=':[]')}")
    return _PREFIX + "&".join(fields)


def _escape(text: str) -> str:
    # A name that is not UTF-8 on disk has surrogates in it; a link has none.
    return quote(text, safe="", errors="replace")


def parse_magnet(text: str) -> Magnet:
    """Read a magnet link with a version 1 info-hash, in hexadecimal or base32.

    Trackers that are no URLs and peers that are no addresses are left out, as are more than 100 of
    either. Raises MagnetError.
    """
    text = text.strip()
    if len(text) > LONGEST_MAGNET:
        raise MagnetError(f"a magnet link of more than {LONGEST_MAGNET} characters")
    if text[: len(_PREFIX)].lower() != _PREFIX:
        raise MagnetError("not a magnet link: it does not begin with magnet:?")
    fields = parse_qsl(text[len(_PREFIX) :], keep_blank_values=True, errors="replace")
    # BEP 9 numbers repeated fields in some links: xt.1, tr.2 and so on.
    named = [(re.sub(r"\.[0-9]{1,4}$", "", key), value) for key, value in fields]
    trackers = dict.fromkeys(
        value for key, value in named if key == "tr" and not url_problem(value)
    )
    peers = dict.fromkeys(
        peer for key, value in named if key == "x.pe" and (peer := _parse_peer(value))
    )
    return Magnet(
        _parse_topics([value for key, value in named if key == "xt"]),
        next((value for key, value in named if key == "dn"), ""),
        tuple(trackers)[:MOST_TRACKERS],
        tuple(peers)[:MOST_PEERS],
    )


def _parse_topics(topics: list[str]) -> bytes:
    hashes = {
        _parse_info_hash(topic[len(_BTIH) :])
        for topic in topics
        if topic[: len(_BTIH)].lower() == _BTIH
    }
    if len(hashes) > 1:
        raise MagnetError("the magnet link names two different torrents")
    if hashes:
        return hashes.pop()
    if any(topic.lower().startswith("urn:btmh:") for topic in topics):
        raise MagnetError(
            "the magnet link names a torrent of version 2 only (BEP 52), which is not supported yet"
        )
    raise MagnetError("the magnet link has no xt=urn:btih: info-hash")


def _parse_info_hash(text: str) -> bytes:
    try:
        if len(text) == 40:
            return binascii.unhexlify(text)
        if len(text) == 32:
            return base64.b32decode(text.upper())
    except ValueError as error:
        raise MagnetError(f"the info-hash {text!a} is neither hexadecimal nor base32") from error
    raise MagnetError("the info-hash has neither 40 hexadecimal nor 32 base32 characters")


def _parse_peer(text: str) -> tuple[str, int] | None:
    match = _PEER.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= 65_535:
        return None
    return match[1].strip("[]"), int(match[2])
