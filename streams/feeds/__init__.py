"""What brings bars into the log: files of bars and of log records.

A feed yields items in the order of its file; it never stops at a bad row, and never hides one.
"""
