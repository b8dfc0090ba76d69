"""Contracts: every record, event, topic, setting and id that crosses a wire or a file.

Nothing here computes a market rule; nothing here does I/O beyond reading one configuration file.
"""
