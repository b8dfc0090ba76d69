"""Replay: the same core over a bounded stretch of the recorded log, at any speed.

Not built yet: it comes with a later version, and until then this package holds nothing. To run the
core over recorded files today, use ``tapeline run`` (`streams.embedded`).
"""
