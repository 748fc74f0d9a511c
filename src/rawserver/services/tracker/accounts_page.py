"""What the users of a private tracker have moved, for its operator."""

from __future__ import annotations

import json

from rawserver.swarm.accounting import Accounting


def accounts_page(accounting: Accounting) -> bytes:
    """Return all accounts as a JSON list, by name; `uploaded` and `downloaded` are bytes."""
    accounts = [
        {
            "name": account.name,
            "uploaded": account.uploaded,
            "downloaded": account.downloaded,
            "seeding": account.seeding,
            "leeching": account.leeching,
            "doubtful": account.doubtful,
        }
        for account in sorted(accounting.accounts(), key=lambda each: each.name)
    ]
    return json.dumps(accounts, indent=2).encode() + b"\n"
