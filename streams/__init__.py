"""Tapeline: one ordered log of market bars in, streams that are tables too out.

The pure core is `streams.core`; the other folders feed it, run it and show what it published.
"""
