"""Indicators a second time: each value from the whole list of bars, in fractions.

Exact values are one fraction that is rounded once. Recursive ones are fractions, too, so what they
are compared with is near: each comes with the size that nearness is a share of.
"""
