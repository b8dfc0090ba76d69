"""Strategies live on Kafka: each book of accounts follows the log itself and keeps its own state.

The driver of `tapeline host`; order of writing and facts behind it: docs/operations.md.
"""
