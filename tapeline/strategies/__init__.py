"""Strategies that come with Tapeline: short, tested, to be read and copied; none of them is advice.

They are entry points of the group ``tapeline.strategies``, so a configuration names them alone.
"""
