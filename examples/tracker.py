from rawserver import RawServer
from rawserver.services.tracker import Refused, Tracker


def members_only(announce, asker):
    if not asker.passkey.startswith("member-"):
        raise Refused("members only: announce to /member-NAME/announce", retry_in=0)


raw_server = RawServer()
tracker = Tracker(raw_server, interval=600, gates=[members_only])
tracker.listen(6969)
tracker.listen_udp(6969)
raw_server.install_sigint_handler()
raw_server.listen_forever()
