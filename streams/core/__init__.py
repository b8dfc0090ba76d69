"""The rules of the market as a pure fold: records in, events out, state as plain data.

No I/O, no clock, no randomness, no environment; imports `schemas` and the standard library alone.
"""
