"""The durable store of an embedded run: log, topics, and the state that knows how far they go.

The log is written first, then the outputs, then state, view and source position in one batch.
"""
