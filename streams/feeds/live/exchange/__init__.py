"""A small exchange on loopback for newcomers and tests: stream, history, faults on request."""
