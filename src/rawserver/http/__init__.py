"""HTTP on RawServer: translates between bytes and requests or replies."""
