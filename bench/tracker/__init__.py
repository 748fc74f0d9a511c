"""Trackers beside each other, under one load."""
