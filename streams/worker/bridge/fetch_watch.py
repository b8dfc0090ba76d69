"""Notices when what a broker answers next may be of another log than what it answered last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaError
from aiokafka.protocol.fetch import FetchRequest
from faust.types import TP

IDLE_S = 1.0
"""Of a topic, twice the longest poll: in more than that it may have been deleted, made and filled
past the position of who was asleep, or too busy to ask."""


class FetchWatch:
    """Looks at the answers to fetches before the client does.

    A partition becomes doubtful when it comes over another connection than before (so also from
    another leader), after an error of its topic, and after it was idle: then its log may have
    been cut or made again. The client goes on as if nothing had been.

    Parameters
    ----------
    clock
        Seconds.

    Attributes
    ----------
    doubtful
        Partitions to be compared before more of them is handed out. The client's thread adds to it
        before it has the answer, and the application takes away.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.doubtful: set[TP] = set()
        self._clock = clock
        self._connections: dict[TP, Any] = {}
        self._heard: dict[str, float] = {}

    def watch(self, client: Any) -> None:
        """Look at the answers that a client gets from now on."""
        send = client.send

        async def noted(node: Any, request: Any, **options: Any) -> Any:
            if not isinstance(request, FetchRequest):
                return await send(node, request, **options)
            try:
                response = await send(node, request, **options)
            except KafkaError:
                for topic, _ in request.topics:
                    self._doubt(topic)
                raise
            self.note(client._conns.get((node, ConnectionGroup.DEFAULT)), response.topics)
            return response

        client.send = noted

    def note(self, connection: Any, topics: Iterable[tuple[str, Iterable[Any]]]) -> None:
        """Take note of an answer: by topic, of each partition its number, an error code, more."""
        now = self._clock()
        for topic, partitions in topics:
            failed = now - self._heard.get(topic, now) > IDLE_S
            self._heard[topic] = now
            for partition, error, *_ in partitions:
                tp = TP(topic, partition)
                if self._connections.setdefault(tp, connection) is not connection:
                    self._connections[tp] = connection
                    self.doubtful.add(tp)
                failed = failed or error != 0
            if failed:
                self._doubt(topic)

    def _doubt(self, topic: str) -> None:
        self.doubtful.update(tp for tp in self._connections if tp.topic == topic)
