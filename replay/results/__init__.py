"""Where the results of a replay go: run folders, run-scoped topics, hashes."""
