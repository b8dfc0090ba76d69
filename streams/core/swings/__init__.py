"""Swing highs and lows, and their classes."""
