"""What a swarm remembers and decides, without I/O, clock or chance of its own."""
