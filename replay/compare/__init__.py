"""What two runs, recordings or topics have in common, and where they first differ."""
