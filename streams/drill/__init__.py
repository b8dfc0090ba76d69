"""The drill: workers on a real cluster, in topics of their own, ended in every way.

At the end the log is read back, folded by the core, and compared with what the workers published.
"""
