"""RawServer beside other programs, on this machine: `python -m bench`."""
