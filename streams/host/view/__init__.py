"""What a strategy can read as of a call: bars, rows of indicators, facts, and what it read of them.

All of it is state of the host, kept record by record, and empty where the host begins.
"""
