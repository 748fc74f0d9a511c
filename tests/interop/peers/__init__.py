"""Real BitTorrent programs, one file each, behind one simple shape."""
