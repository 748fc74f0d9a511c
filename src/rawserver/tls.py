"""TLS on a RawServer's connections: what `start_listening`, `start_connection`, `start_tls` take.

`import rawserver` alone does not load OpenSSL.
"""

from rawserver.engine.errors import TlsError, TlsFileError, TlsHandshakeFailed, TlsTruncated
from rawserver.engine.tls import TlsClient, TlsServer

__all__ = [
    "TlsClient",
    "TlsError",
    "TlsFileError",
    "TlsHandshakeFailed",
    "TlsServer",
    "TlsTruncated",
]
