"""A simulated internet under the same RawServer."""
