"""Live feeds as processes: an engine, its transports, and the log that it writes to."""
