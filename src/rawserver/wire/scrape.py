"""Scrape: what a tracker knows of torrents, without an announce (BEP 48)."""

from collections.abc import Iterable
from typing import NamedTuple

from rawserver.wire.announce_request import AnnounceError, split_query

# As many as chihaya answers; a client that has more asks again.
MAX_SCRAPE_HASHES = 50
SCRAPE_START = b"d5:filesd"
SCRAPE_END = b"ee"


class ScrapeFile(NamedTuple):
    """One torrent: its seeds, how often it has been completed, and its other peers.

    `downloaders`: those of the incomplete that download (BEP 21: the others are partial seeds), or
    None if that is not known.
    """

    info_hash: bytes
    complete: int
    downloaded: int
    incomplete: int
    downloaders: int | None = None


def parse_scrape_query(query: bytes | str) -> tuple[bytes, ...]:
    """Return the info-hashes asked for, each once; none at all asks for every torrent.

    Raises AnnounceError.
    """
    hashes: dict[bytes, None] = {}
    for name, value in split_query(query):
        if name == b"info_hash":
            if len(value) != 20:
                raise AnnounceError(f"info_hash has {len(value)} bytes, not 20")
            hashes[value] = None
    if len(hashes) > MAX_SCRAPE_HASHES:
        raise AnnounceError(f"a scrape is of at most {MAX_SCRAPE_HASHES} torrents")
    return tuple(hashes)


def encode_scrape_response(files: Iterable[ScrapeFile]) -> bytes:
    """Return the reply, bencoded; each info-hash may come once."""
    # Sorted by their info-hashes, as keys of a dictionary have to be.
    return SCRAPE_START + b"".join(map(encode_scraped, sorted(files))) + SCRAPE_END


def encode_scraped(file: ScrapeFile) -> bytes:
    """Return what a reply says of one torrent; it stands between SCRAPE_START and SCRAPE_END."""
    info_hash, complete, downloaded, incomplete, downloaders = file
    more = b"" if downloaders is None else b"11:downloadersi%de" % downloaders
    return b"20:%bd8:completei%de10:downloadedi%de%b10:incompletei%dee" % (
        info_hash,
        complete,
        downloaded,
        more,
        incomplete,
    )


def scrape_url(announce_url: str) -> str | None:
    """Return where to scrape, or None if the announce URL does not follow the convention.

    BEP 48: the last part of the path must begin with "announce", which becomes "scrape".
    """
    path, mark, query = announce_url.partition("#")[0].partition("?")
    head, slash, last = path.rpartition("/")
    if not slash or not last.startswith("announce"):
        return None
    return f"{head}/scrape{last.removeprefix('announce')}{mark}{query}"
