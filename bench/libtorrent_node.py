"""libtorrent as a program of its own, to be measured in a fresh process.

seed TORRENT FOLDER SETTINGS      prints `ready PORT`, dials each port read from stdin, ends at EOF
get TORRENT FOLDER SETTINGS PORT  dials PORT, prints `complete` when it has everything, ends
make FILE OUT PIECE_LENGTH        makes a .torrent
recheck TORRENT FOLDER SETTINGS   checks the data, ends with 0 if all is right
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libtorrent as lt

QUIET: dict[str, Any] = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "in_enc_policy": lt.enc_policy.disabled,
    "out_enc_policy": lt.enc_policy.disabled,
    "allow_multiple_connections_per_ip": True,
    "alert_mask": lt.alert.category_t.status_notification,
}


def open_session(settings: str) -> Any:
    """Open a session: `default`, `high` (high_performance_seed) or `threads2` (of hashing)."""
    chosen: Any = lt.high_performance_seed() if settings == "high" else {}
    if settings == "threads2":
        chosen["hashing_threads"] = 2
    return lt.session(chosen | QUIET)


def add(session: Any, torrent: str, folder: str) -> Any:
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(torrent)
    parameters.save_path = folder
    # Started at once: by default it is paused until the session's next second, and drops whoever
    # dials it before, who then comes back only after a while.
    parameters.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    return session.add_torrent(parameters)


def wait_alert(session: Any, kind: Any) -> None:
    while True:
        session.wait_for_alert(1000)
        if any(isinstance(alert, kind) for alert in session.pop_alerts()):
            return


def seed(torrent: str, folder: str, settings: str) -> None:
    session = open_session(settings)
    # All is checked before it serves. With the flag seed_mode it would instead hash each piece when
    # that is first asked for, and the transfer would be charged for it.
    handle = add(session, torrent, folder)
    wait_alert(session, lt.torrent_checked_alert)
    if not handle.status().is_seeding:
        raise SystemExit("the data is not what the .torrent says")
    print("ready", session.listen_port(), flush=True)
    for line in sys.stdin:
        handle.connect_peer(("127.0.0.1", int(line)))


def get(torrent: str, folder: str, settings: str, port: str) -> None:
    session = open_session(settings)
    handle = add(session, torrent, folder)
    wait_alert(session, lt.torrent_checked_alert)
    handle.connect_peer(("127.0.0.1", int(port)))
    wait_alert(session, lt.torrent_finished_alert)
    print("complete", flush=True)


def make(path: str, out: str, piece_length: str) -> None:
    file = Path(path)
    entry = lt.create_file_entry(file.name, file.stat().st_size)
    creator = lt.create_torrent([entry], int(piece_length), lt.create_torrent.v1_only)
    lt.set_piece_hashes(creator, str(file.parent))
    Path(out).write_bytes(lt.bencode(creator.generate()))


def recheck(torrent: str, folder: str, settings: str) -> None:
    session = open_session(settings)
    handle = add(session, torrent, folder)
    wait_alert(session, lt.torrent_checked_alert)
    if not handle.status().is_seeding:
        raise SystemExit("the data is not what the .torrent says")


COMMANDS: dict[str, Callable[..., None]] = {
    "seed": seed,
    "get": get,
    "make": make,
    "recheck": recheck,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
