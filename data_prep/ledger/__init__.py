"""What a harvest knows and has still to do, on disk; and the order in which it counts."""
