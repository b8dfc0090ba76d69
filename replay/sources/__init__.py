"""Logs to replay: files, stores, topics, in one order; the nearest snapshots."""
