"""BitTorrent on the wire: translates between bytes and meaning, without I/O."""
