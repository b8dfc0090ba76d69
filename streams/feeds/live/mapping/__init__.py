"""The tables of a feed, compiled once into plain functions: messages into meanings, and back.

Nothing a provider may send raises anything but ValueError here, and that only where it is said.
"""
