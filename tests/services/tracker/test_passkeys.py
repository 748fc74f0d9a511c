from kit.tracker_files import ASKER, Files, announce, verdict
from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.passkeys import AccountKeeper, Passkeys, UserList
from rawserver.swarm.accounting import Accounting
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.announce_request import AnnounceRequest

KEY = "0123456789abcdef"
ANN = ASKER._replace(passkey=KEY)
NOBODY = ASKER._replace(passkey="f" * 16)
RESULT = AnnounceResult(0, 1, 0)


def test_only_who_has_a_key_may() -> None:
    gate = Passkeys({KEY: "ann"}.get)
    assert verdict(gate, ANN) is None
    assert verdict(gate, NOBODY) == "unknown passkey"
    missing = verdict(gate)
    assert missing is not None
    assert missing.startswith("this tracker wants a passkey")


def test_users_come_and_go_with_their_file_and_keys_are_never_shown() -> None:
    files = Files(list=f"{KEY} ann\n".encode())
    users = files.follow(UserList)
    gate = Passkeys(users.get)
    assert len(users) == 1
    assert users.get(KEY) == "ann"
    files.put("list", f"{KEY} ann\n{KEY} bob\n".encode())
    files.wait()
    assert verdict(gate, ANN) is None
    files.put("list", b"ffffffffffffffff bob\n")
    files.wait()
    assert verdict(gate, ANN) == "unknown passkey"
    assert verdict(gate, NOBODY) is None
    assert files.reports == ["/list:2: the key stands in a line above already"]


def test_what_a_user_says_is_added_to_his_account() -> None:
    accounting = Accounting()
    now = [0.0]
    keep = AccountKeeper({KEY: "ann"}.get, accounting, lambda: now[0])
    keep(announce(), ANN, RESULT)
    now[0] = 60.0
    keep(announce(uploaded=500, downloaded=20), ANN, RESULT)
    keep(announce(uploaded=500, downloaded=20), NOBODY, RESULT)
    (account,) = accounting.accounts()
    assert (account.name, account.uploaded, account.downloaded) == ("ann", 500, 20)


def test_who_says_what_cannot_be_is_told_of() -> None:
    doubts: list[tuple[str, AnnounceRequest, Asker]] = []
    accounting = Accounting(fastest=100.0)
    for doubt in (None, lambda *told: doubts.append(told)):
        keep = AccountKeeper({KEY: "ann"}.get, accounting, lambda: 0.0, doubt)
        keep(announce(), ANN, RESULT)
        lie = announce(uploaded=10**9)
        keep(lie, ANN, RESULT)
    assert doubts == [("ann", lie, ANN)]
