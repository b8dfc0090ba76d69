"""The broker's side of the command line: topics made, described and deleted, files published.

Nothing here folds records: the worker does.
"""
