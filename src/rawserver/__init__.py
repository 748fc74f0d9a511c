"""RawServer: one loop through which a whole process reaches the network."""
