"""The loop: moves bytes and waits for time."""

from rawserver.engine.admission import Limits
from rawserver.engine.config import Config
from rawserver.engine.disk import Disk, File, FileStatus
from rawserver.engine.done_flag import DoneFlag
from rawserver.engine.errors import (
    FileEnded,
    FirstBytesTimeout,
    HandshakeTimeout,
    IdleTimeout,
    TooManyConnections,
    WriteBufferFull,
    WriteStalled,
)
from rawserver.engine.fault_reports import Where
from rawserver.engine.handler import (
    Address,
    DatagramBatchHandler,
    DatagramHandler,
    Handler,
    ListeningHandler,
    PackedDatagramHandler,
)
from rawserver.engine.listener import Listener
from rawserver.engine.network import READABLE, WRITABLE, Network, Poller, Socket
from rawserver.engine.os_disk import OsDisk
from rawserver.engine.os_network import OsNetwork
from rawserver.engine.packed_address import ip_of_packed, pack_address, show_address
from rawserver.engine.proxy_protocol import ProxyHeader, ProxyProtocolError
from rawserver.engine.rate_limit import RateLimit
from rawserver.engine.rawserver import RawServer
from rawserver.engine.signals import handle_signal
from rawserver.engine.single_socket import SingleSocket
from rawserver.engine.statistics import ListenerStatistics, Statistics, Traffic
from rawserver.engine.task import Task
from rawserver.engine.udp_socket import UdpSocket

__all__ = [
    "READABLE",
    "WRITABLE",
    "Address",
    "Config",
    "DatagramBatchHandler",
    "DatagramHandler",
    "Disk",
    "DoneFlag",
    "File",
    "FileEnded",
    "FileStatus",
    "FirstBytesTimeout",
    "Handler",
    "HandshakeTimeout",
    "IdleTimeout",
    "Limits",
    "Listener",
    "ListenerStatistics",
    "ListeningHandler",
    "Network",
    "OsDisk",
    "OsNetwork",
    "PackedDatagramHandler",
    "Poller",
    "ProxyHeader",
    "ProxyProtocolError",
    "RateLimit",
    "RawServer",
    "SingleSocket",
    "Socket",
    "Statistics",
    "Task",
    "TooManyConnections",
    "Traffic",
    "UdpSocket",
    "Where",
    "WriteBufferFull",
    "WriteStalled",
    "handle_signal",
    "ip_of_packed",
    "pack_address",
    "show_address",
]
