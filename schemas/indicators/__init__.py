"""Indicators as data: the table of what there is, and the grammar that names one.

Nothing here computes a value; `streams/core/indicators` does.
"""
