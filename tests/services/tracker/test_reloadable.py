from kit.tracker_files import Files
from rawserver.services.tracker.address_list import AddressList
from rawserver.services.tracker.client_ids import ClientIdList
from rawserver.services.tracker.info_hash_list import InfoHashList
from rawserver.services.tracker.passkeys import UserList
from rawserver.services.tracker.reloadable import Reloadable
from rawserver.services.tracker.torrent_folder import TorrentFolder


def test_all_that_is_read_from_files_can_be_read_again() -> None:
    files = Files(list=b"")
    files.put("folder/x", b"")
    reloadable: list[Reloadable] = [
        files.follow(AddressList),
        files.follow(ClientIdList),
        files.follow(InfoHashList),
        files.follow(UserList),
        files.follow(TorrentFolder, "folder"),
    ]
    for one in reloadable:
        one.reload()
    files.wait()
    assert files.reports == []
