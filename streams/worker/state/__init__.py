"""State of a partition as the changelog and a local store hold it; what both are checked by."""
