"""Accounts as their operator sees them."""

import json

from kit.tracker_desk import HASH, SEED
from rawserver.services.tracker.accounts_page import accounts_page
from rawserver.swarm.accounting import Accounting
from rawserver.wire.announce_request import AnnounceRequest, Event


def test_each_user_has_a_line_by_name() -> None:
    accounting = Accounting()
    announce = AnnounceRequest(HASH, SEED, 6881, event=Event.STARTED)
    for name in ("zoe", "ann"):
        accounting.note(name, announce, 0.0)
    more = announce._replace(uploaded=5000, downloaded=70, event=Event.NONE, left=9)
    accounting.note("zoe", more, 100.0)
    nothing = {"uploaded": 0, "downloaded": 0, "doubtful": 0}
    assert json.loads(accounts_page(accounting)) == [
        {"name": "ann", "seeding": 1, "leeching": 0} | nothing,
        {"name": "zoe", "seeding": 0, "leeching": 1, "uploaded": 5000, "downloaded": 70,
         "doubtful": 0},
    ]  # fmt: skip


def test_nobody_is_an_empty_list() -> None:
    assert accounts_page(Accounting()) == b"[]\n"
