"""What can be wrong with a broker and its topics; known without the Kafka client."""

from __future__ import annotations


class BrokerError(RuntimeError):
    """The broker does not answer, refuses, or failed on the way; the message says what to do."""


class TopicsError(ValueError):
    """Topics that are missing, differ from the catalogue, or cannot be made as configured."""
