"""Providers whose protocol no table describes: their messages, and their sockets."""
