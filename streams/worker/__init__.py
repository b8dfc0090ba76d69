"""The Kafka worker: Faust carries membership, recovery and drain, the rest is ours.

The only folder that imports faust; order of writing and facts behind it: docs/operations.md.
"""
