"""A replay under control: speed, pause, steps, jumps, keys, progress."""
