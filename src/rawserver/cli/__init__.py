"""The command line: start here. One file per command."""
