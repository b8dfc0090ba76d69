"""The arithmetic of indicators: one class each, over the bars of one interval.

Integers where a value is exact, doubles in a fixed order where it is not.
"""
