"""The loop: moves bytes and waits for time."""

from rawserver.engine.config import Config
from rawserver.engine.disk import Disk, File, FileStatus
from rawserver.engine.errors import FileEnded, IdleTimeout, WriteBufferFull
from rawserver.engine.handler import Address, DatagramHandler, Handler, ListeningHandler
from rawserver.engine.listener import Listener
from rawserver.engine.network import READABLE, WRITABLE, Network, Poller, Socket
from rawserver.engine.os_disk import OsDisk
from rawserver.engine.os_network import OsNetwork
from rawserver.engine.rawserver import RawServer
from rawserver.engine.single_socket import SingleSocket
from rawserver.engine.task import Task
from rawserver.engine.udp_socket import UdpSocket

__all__ = [
    "READABLE",
    "WRITABLE",
    "Address",
    "Config",
    "DatagramHandler",
    "Disk",
    "File",
    "FileEnded",
    "FileStatus",
    "Handler",
    "IdleTimeout",
    "Listener",
    "ListeningHandler",
    "Network",
    "OsDisk",
    "OsNetwork",
    "Poller",
    "RawServer",
    "SingleSocket",
    "Socket",
    "Task",
    "UdpSocket",
    "WriteBufferFull",
]
