"""What a tracker says of a torrent."""

import urllib.request

from rawserver.wire.bencode import decode


def scrape(announce_url: str, info_hash: str) -> tuple[int, int]:
    """Return how many seeds and how many other peers a tracker knows."""
    escaped = "".join(f"%{info_hash[start : start + 2]}" for start in range(0, 40, 2))
    url = announce_url.replace("announce", "scrape") + f"?info_hash={escaped}"
    with urllib.request.urlopen(url, timeout=10) as reply:
        answer = decode(reply.read())
    assert isinstance(answer, dict)
    files = answer[b"files"]
    assert isinstance(files, dict)
    file = files.get(bytes.fromhex(info_hash))
    if not isinstance(file, dict):
        return 0, 0
    complete, incomplete = file[b"complete"], file[b"incomplete"]
    assert isinstance(complete, int)
    assert isinstance(incomplete, int)
    return complete, incomplete
