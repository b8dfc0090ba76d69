"""What the strategies of a run earned and why.

A page without scripts, JSON, and tables for other tools.
"""
