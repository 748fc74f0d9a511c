"""Scenarios of a simulated internet that come with the program."""
