"""Strategies and their paper accounts: a follower of the log that folds it itself.

It lies above the core and below every driver, and reads no clock, no file and no network.
"""
