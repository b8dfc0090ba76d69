"""What a process that runs for long answers over HTTP: whether it lives, works, its numbers."""
