"""What a simulated internet costs."""
