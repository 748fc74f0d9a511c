"""The loop: moves bytes and waits for time."""
