"""The engine beside other engines: `python -m bench engine`."""
